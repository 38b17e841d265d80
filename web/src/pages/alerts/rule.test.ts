import assert from "node:assert/strict";
import { test } from "node:test";

import { asksOf } from "./rule.ts";

test("an expression of a rule names the metric, the figure and the windows", () => {
  assert.deepEqual(asksOf("api:response_seconds:p95_10s > 3"), { metric: "api.response_seconds", figure: "p95", resolution: "10s" });
  assert.deepEqual(asksOf('memory:heap_ratio:last_1m{page="/a"} > 0.8'), { metric: "memory.heap_ratio", figure: "last", resolution: "1m" });
});

test("an expression without one is no evidence, and nothing is made up", () => {
  assert.equal(asksOf("vector(1) > 0"), null);
});
