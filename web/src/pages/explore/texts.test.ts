import assert from "node:assert/strict";
import { test } from "node:test";
import { conditionOf, curlOf, promqlOf, pythonOf, sqlOf } from "./texts.ts";

const QUESTION = { id: "q", metric: "api.response_seconds", aggregates: ["p95"], where: ["method=GET", "endpoint~/check*"], by: ["endpoint"] };

test("a question is written in PromQL as docs/PROMETHEUS.md has it", () => {
  assert.equal(promqlOf(QUESTION), 'histogram_quantile(0.95, sum by (le, endpoint) (rate(api_response_seconds_bucket{method="GET",endpoint=~"/check.*"}[5m])))');
  assert.equal(promqlOf({ ...QUESTION, aggregates: ["rate"], where: [], by: [] }), "sum (rate(api_response_seconds_count[5m]))");
  assert.match(promqlOf({ ...QUESTION, aggregates: ["uniques"] }), /^# /);
});

test("a question is written in SQL, and no value leaves its quotes", () => {
  assert.equal(sqlOf({ ...QUESTION, where: ["method=it's"] }), [
    `SELECT time, labels->>'endpoint' AS "endpoint", sketch_quantile(sketch_merge(sketch), 0.95, min(min), max(max)) AS "p95", sum(samples) AS samples`,
    "FROM window_1m", "WHERE metric = 'api.response_seconds'", "  AND time >= now() - interval '1 hour'", "  AND coalesce(labels->>'method', '') = 'it''s'", "GROUP BY time, 2 ORDER BY time",
  ].join("\n"));
  assert.match(sqlOf({ ...QUESTION, where: ["endpoint~a_%*"] }), /LIKE 'a\\_\\%%'/);
});

test("a shell gets the question as one word", () => {
  assert.match(curlOf({ questions: [{ ...QUESTION, where: ["a=it's"] }] }, "http://host"), /'q=\{.*it'\\''s.*\}'$/s);
  assert.match(pythonOf({ questions: [QUESTION] }, "http://host"), /"metric": "api.response_seconds"/);
});

test("a condition has three parts, whatever its value holds", () => {
  assert.deepEqual(conditionOf('endpoint="/a=b"'), { label: "endpoint", sign: "=", value: "/a=b" });
  assert.deepEqual(conditionOf("a!~b*"), { label: "a", sign: "!~", value: "b*" });
  assert.equal(conditionOf("endpoint in(a,b)"), null);
});
