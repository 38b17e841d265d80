#!/usr/bin/env bash
# Telegraf writes one batch in another order each time that it sends it by remote write.
#
# Version:  github.com/influxdata/telegraf 1.37.2, its serializer `prometheusremotewrite`.
# Expected: a batch that is sent again after a refusal is the same bytes.
# Seen:     its series come from a map of Go, whose order is drawn anew each time. With `prometheus_sort_metrics = true`
#           the bytes are the same.
# So:       a repeat cannot be told by its bytes: the page for Telegraf asks for `prometheus_sort_metrics`.
#
# Ends with 0 as long as this is so, with 1 when it has changed. Needs Go; takes a minute or two at first.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
cat > main.go <<'GO'
package main

import (
	"fmt"
	"os"
	"time"

	"github.com/influxdata/telegraf"
	"github.com/influxdata/telegraf/metric"
	"github.com/influxdata/telegraf/plugins/serializers/prometheusremotewrite"
)

func distinct(batch []telegraf.Metric, sorted bool) int {
	bodies := map[string]bool{}
	for range 10 {
		serializer := &prometheusremotewrite.Serializer{SortMetrics: sorted}
		body, err := serializer.SerializeBatch(batch)
		if err != nil {
			panic(err)
		}
		bodies[string(body)] = true
	}
	return len(bodies)
}

func main() {
	var batch []telegraf.Metric
	for number := range 20 {
		fields := map[string]any{fmt.Sprintf("level_%d", number): 1.0}
		batch = append(batch, metric.New("prometheus", nil, fields, time.Unix(1_790_000_000, 0), telegraf.Gauge))
	}
	plain, sorted := distinct(batch, false), distinct(batch, true)
	fmt.Println("different bodies of one batch in ten: ", plain, "; sorted:", sorted)
	if plain < 2 || sorted != 1 {
		fmt.Println("CHANGED: expected several, and one where they are sorted")
		os.Exit(1)
	}
	fmt.Println("as found")
}
GO
export GOFLAGS="-mod=mod -trimpath"
go mod init finding 2> /dev/null
go get "github.com/influxdata/telegraf@v1.37.2" 2> /dev/null
go run . 2> go.log || { cat go.log; exit 1; }
