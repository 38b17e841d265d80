#!/usr/bin/env bash
# Telegraf sends by remote write only the last sample of each series of a batch, and counts all of them as written.
#
# Version:  github.com/influxdata/telegraf 1.37.2, its serializer `prometheusremotewrite`.
# Expected: five samples of a series that wait in the buffer are five samples in the body.
# Seen:     the body is that of the fifth alone; nothing is returned or logged of the other four.
# So:       running totals lose nothing by it; of levels only the last of a batch is here. The page for Telegraf says so,
#           and its lines (`outputs.influxdb_v2`) bring all.
#
# Ends with 0 as long as this is so, with 1 when it has changed. Needs Go; takes a minute or two at first.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
cat > main.go <<'GO'
package main

import (
	"bytes"
	"fmt"
	"os"
	"time"

	"github.com/influxdata/telegraf"
	"github.com/influxdata/telegraf/metric"
	"github.com/influxdata/telegraf/plugins/serializers/prometheusremotewrite"
)

func body(batch []telegraf.Metric) []byte {
	serialized, err := (&prometheusremotewrite.Serializer{}).SerializeBatch(batch)
	if err != nil {
		panic(err)
	}
	return serialized
}

func main() {
	var batch []telegraf.Metric
	for second := range 5 {
		fields := map[string]any{"queue_length": float64(second)}
		at := time.Unix(1_790_000_000+int64(second), 0)
		batch = append(batch, metric.New("prometheus", nil, fields, at, telegraf.Gauge))
	}
	all, last := body(batch), body(batch[4:])
	fmt.Println("bytes of five samples:", len(all), "; of the last one:", len(last))
	if !bytes.Equal(all, last) {
		fmt.Println("CHANGED: expected the same bytes")
		os.Exit(1)
	}
	fmt.Println("as found")
}
GO
export GOFLAGS="-mod=mod -trimpath"
go mod init finding 2> /dev/null
go get "github.com/influxdata/telegraf@v1.37.2" 2> /dev/null
go run . 2> go.log || { cat go.log; exit 1; }
