import assert from "node:assert/strict";
import { test } from "node:test";

import { asksOf } from "./rule.ts";

test("an expression of a rule names the metric, the figure and the windows", () => {
  assert.deepEqual(asksOf("api:response_seconds:p95_10s > 3"), { metric: "api.response_seconds", figure: "p95", resolution: "10s" });
  assert.deepEqual(asksOf('memory:heap_ratio:last_1m{page="/a"} > 0.8'), { metric: "memory.heap_ratio", figure: "last", resolution: "1m" });
});

test("a quoted name is that of the metric, and the function is the figure", () => {
  const metric = "api.response_seconds";
  const asks = (figure: string) => ({ metric, figure, resolution: "10s" });
  assert.deepEqual(asksOf(`quantile_over_time(0.95, {"${metric}", endpoint=~"/a.*"}[10s]) > 3`), asks("p95"));
  assert.deepEqual(asksOf(`quantile_over_time(0.999, {"${metric}"}[1m]) > 3`), asks("p99.9"));
  assert.deepEqual(asksOf(`max_over_time({"${metric}"}[10s]) > 3`), asks("max"));
  assert.deepEqual(asksOf(`rate({"${metric}"}[5m]) > 3`), asks("sum"));
  assert.deepEqual(asksOf(`3 < {"${metric}"}`), asks("last"));
});

test("an expression without one is no evidence, and nothing is made up", () => {
  assert.equal(asksOf("vector(1) > 0"), null);
  assert.equal(asksOf("max_over_time(api_response_seconds[10s]) > 3"), null);
  assert.equal(asksOf('100 * max_over_time({"api.response_seconds"}[10s]) > 3'), null);
  assert.equal(asksOf('-{"api.response_seconds"} < -3'), null);
});
