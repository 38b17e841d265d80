import assert from "node:assert/strict";
import { test } from "node:test";

import { VITALS } from "../parts/ratings.ts";
import { type Answer, type Figure, UNKNOWN, answerOf, faultOf, figureOf, type Series } from "../api/answers.ts";
import * as errors from "./errors.ts";
import * as funnels from "./funnels.ts";
import * as latency from "./latency.ts";
import * as vitals from "./vitals.ts";

const one = (labels: Record<string, string>, samples: number, values: Record<string, number>): Series => ({
  labels, samples: [samples], revision: [0], late: [0], values: Object.fromEntries(Object.entries(values).map(([name, value]) => [name, [value]])),
});
const answer = (...series: Series[]): Answer => ({ id: "a", metric: "m", unit: "ms", tz: "UTC", resolution: "range", start_ms: [0], end_ms: [1], complete: [true], complete_until_ms: 1, series, warnings: [] });
const sure = (value: number, samples = 1000, low = value * 0.9, high = value * 1.1): Figure => ({ value, low, high, samples });
const LCP = VITALS[0]!;

test("the page with most loads that were not good comes first in the sentence, with numbers that add up", () => {
  const pages = answer(one({ page: "/search" }, 2104, { p75: 4400, count: 2104 }), one({ page: "/" }, 2708, { p75: 1900, count: 2708 }));
  const rated = answer(one({ page: "/search", rating: "poor" }, 1200, { count: 1200 }), one({ page: "/search", rating: "needs-improvement" }, 212, { count: 212 }), one({ page: "/", rating: "good" }, 2708, { count: 2708 }));
  const rows = vitals.pageRows([{ name: "LCP", answer: pages }], "LCP", rated, "p75");

  assert.deepEqual(rows.map(({ page, loads, notGood }) => [page, loads, notGood]), [["/search", 2104, 1412], ["/", 2708, 0]]);
  assert.equal(
    vitals.sentence(LCP, "p75", sure(3100, 4812), rows),
    "LCP p75 is 3.1 s over 4,812 loads, needs improvement. /search hurts most people: 1,412 loads of 2,104 were not good (100 % of all that were not).",
  );
});

test("too few loads are said to be too few, with what is known", () => {
  assert.equal(vitals.sentence(LCP, "p75", { value: 2600, low: 2100, high: null, samples: 9 }, []), "9 loads are too few for a p75. It lies above 2.1 s.");
  assert.equal(vitals.quantileText({ value: 2600, low: 2100, high: null, samples: 9 }, "ms", "p75", LCP.limits), "≥ 2.1 s");
  assert.equal(vitals.quantileText(UNKNOWN, "ms", "p75", LCP.limits), "–");
  assert.equal(vitals.sentence(LCP, "p75", { ...sure(3460), samples: null }, []), "LCP p75 is 3.46 s; how many loads is not known, so it is not rated.");
  assert.equal(vitals.quantileText({ ...sure(3460), samples: null }, "ms", "p75", LCP.limits), "3.46 s");
  assert.equal(vitals.sentence(LCP, "p75", UNKNOWN, []), "No loads with LCP in this range.");
  assert.equal(vitals.intervalText({ value: 1, low: 2100, high: null, samples: 9 }, "ms"), "above 2.1 s");
});

test("slower is what lies above what was, not what happens to be larger", () => {
  const rows = [
    { name: "/checkout", labels: {}, count: 400, errors: 3, p50: sure(0.4), p95: sure(3.4), p99: sure(5), before: sure(0.6) },
    { name: "/search", labels: {}, count: 400, errors: 0, p50: sure(0.1), p95: sure(0.7), p99: sure(1), before: sure(0.65) },
  ];

  assert.equal(latency.sentence(sure(0.9), rows, "s", 1000, () => "14:10"), "/checkout is slow since 14:10: p95 3.4 s, was 600 ms.");
  assert.equal(latency.sentence(sure(0.9), rows.slice(1), "s", undefined, String), "p95 is 900 ms over 1,000 answers; nothing became slower.");
  assert.equal(latency.sentence({ ...sure(0.9), samples: 12 }, [], "s", undefined, String), "12 answers are too few for a p95. It lies above 810 ms.");
  assert.ok(!latency.isSlower(sure(3.4, 71), sure(0.6)));
});

test("a part of the range that was far above the rest is said, unless few answers make it", () => {
  const all = [true, true, true, true];
  const high = latency.highest([0.3, 0.3, 5, 0.3], [80, 80, 80, 80], all, [0, 1, 2, 3]);

  assert.deepEqual(high, { ms: 2, value: 5 });
  assert.deepEqual([latency.highest([0.3, 0.3, 5, 0.3], [80, 80, 9, 80], all, [0, 1, 2, 3]), latency.highest([0.3, 0.8], [80, 80], all, [0, 1]), latency.highest([], [], [], [])], [undefined, undefined, undefined]);
  assert.equal(latency.sentence(sure(0.3), [], "s", undefined, () => "19:01", high), "p95 is 300 ms over 1,000 answers, but was 5.0 s at 19:01.");
});

test("since when is the start of the run that still goes on; a gap does not end it", () => {
  assert.equal(latency.since([1, 5, 1, 5, null, 5], [0, 1, 2, 3, 4, 5], 2), 3);
  assert.equal(latency.since([5, 1], [0, 1], 2), undefined);
  assert.equal(latency.since([], [], 2), undefined);
});

test("a selection goes through the URL, and nothing else does", () => {
  const area = { fromMs: 10, toMs: 20, low: 0.0123456, high: 3 };

  assert.deepEqual(latency.areaOf(latency.areaText(area)), { ...area, low: 0.01235 });
  assert.deepEqual(["", "1_2_3", "1_2_3_4_5", "2_1_0_1", "a_b_c_d", "1_2_NaN_4"].map(latency.areaOf), [null, null, null, null, null, null]);
});

const step = (name: string, sessions: number, median_ms: number | null = null) => ({ step: 0, name, sessions, rate: null, drop_off: 0, drop_off_rate: null, median_ms });
const report = (...steps: ReturnType<typeof step>[]): funnels.Report => ({ funnel: "f", from_ms: 0, to_ms: 1, entries: steps[0]!.sessions, completed: steps.at(-1)!.sessions, completion_rate: null, steps, out_of_order: 0, largest_drop: null });

test("rates are of sessions that had time to go on", () => {
  const rows = funnels.rows(report(step("image_upload", 110), step("result_download", 40, 8000)), report(step("image_upload", 10), step("result_download", 0)));

  assert.deepEqual(rows.map(({ sessions, immature, rate, lost }) => [sessions, immature, rate, lost]), [[110, 10, null, 0], [40, 0, 0.4, 60]]);
  assert.equal(funnels.sentence(rows), "40 % of 100 sessions get through. Most leave between image upload and result download: 60 sessions, 60 %.");
  assert.equal(funnels.rowTexts(rows[1]!, 1).detail, "▼ 60 lost · between 31 % and 50 % · median 8.0 s from the step before");
});

test("nobody, and nobody who had time, are said so", () => {
  assert.equal(funnels.sentence(funnels.rows(report(step("a", 0), step("b", 0)), null)), "Nobody entered this funnel in this range.");
  const all = report(step("a", 4), step("b", 1));
  assert.equal(funnels.sentence(funnels.rows(all, all)), "4 sessions entered within the last half hour: too early to say how many get through.");
});

test("an interval of a rate is Wilson's, and holds 0 and 1", () => {
  const { low, high } = funnels.wilson(8, 10)!;

  assert.deepEqual([low.toFixed(4), high.toFixed(4)], ["0.4902", "0.9433"]);
  assert.deepEqual([funnels.wilson(0, 10)!.low, funnels.wilson(10, 10)!.high, funnels.wilson(0, 0)], [0, 1, null]);
});

const event = (name: string, message: string, user_id: string, ts_ms: number, level = "error"): errors.ErrorEvent => ({
  event_id: `${ts_ms}`, ts_ms, name, session_id: "", user_id, properties: { message, level, release: "1.4.2", stack: [{ function: "total", file: "cart.ts", line: 41 }] },
});

test("errors are put together by kind and message, with users and times", () => {
  const rows = errors.errorRows([event("TypeError", "x", "a", 30), event("TypeError", "x", "b", 20, "fatal"), event("Other", "y", "", 10)]);

  assert.deepEqual(rows.map(({ name, count, users, level, firstMs, lastMs, releases }) => [name, count, users, level, firstMs, lastMs, releases]), [
    ["TypeError", 2, 2, "fatal", 20, 30, ["1.4.2"]],
    ["Other", 1, 0, "error", 10, 10, ["1.4.2"]],
  ]);
  assert.deepEqual([0, 12, 23].map((at) => errors.trend(rows[0]!, 10, 30)[at]), [0, 1, 1]);
  assert.equal(errors.sentence(3, 3, true, rows), "3 errors. Most frequent: TypeError, 2 times at 2 users.");
  assert.equal(errors.sentence(4812, 3, false, rows), "4,812 errors. Most frequent: TypeError, 2 times of the latest 3 at 2 users.");
  assert.equal(errors.sentence(0, 0, true, []), "No errors in this range.");
  assert.equal(errors.sentence(null, 0, true, []), "Whether there were errors in this range is not known yet.");
  assert.deepEqual(errors.stackOf(rows[0]!.latest[0]!), [{ function: "total", where: "cart.ts:41" }]);
  assert.deepEqual(errors.stackOf({ ...rows[0]!.latest[0]!, properties: { stack: "none" } }), []);
});

test("a refused question has no answer", () => {
  const refused = { id: "a", error: { status: 404, code: "unknown_metric", title: "", detail: "" } };

  assert.equal(answerOf({ status: "partial", cached: false, live: "available", results: [refused] }, "a"), undefined);
  assert.deepEqual(figureOf(undefined, "p75"), UNKNOWN);
});

test("a metric that was never sent is an empty page, any other refusal is said", () => {
  const of = (code: string) => faultOf({ status: "partial", cached: false, live: "available", results: [{ id: "a", error: { status: 400, code, title: "", detail: "" } }] }, "a")?.code;

  assert.deepEqual(["unknown_metric", "unknown_label", "invalid_time"].map(of), [undefined, "unknown_label", "invalid_time"]);
});
