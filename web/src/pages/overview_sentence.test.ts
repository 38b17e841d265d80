import assert from "node:assert/strict";
import { test } from "node:test";
import type { Alert } from "../state/alerts.ts";
import { type Endpoint, silentSince, verdict } from "./overview_sentence.ts";

const NOW = 1_000_000;
const fires = (rule: string, endpoint: string, severity: string): Alert => ({ rule, state: "firing", labels: { endpoint, severity }, fired_at_ms: NOW - 120_000, active_at_ms: NOW - 130_000 }) as unknown as Alert;
const endpoint = (name: string, ...p95: (number | null)[]): Endpoint => ({ name, p95, complete: p95.map(() => true), startMs: p95.map((_, at) => at) });

test("nothing is said before anything is known", () => {
  assert.deepEqual(verdict(null, [], NOW), { text: "", isKnown: false });
});

test("that nothing is wrong is said", () => {
  assert.match(verdict([], [endpoint("/a", 0.1, 0.1, 0.1, 0.1)], NOW).text, /^Nothing is wrong/);
});

test("the most severe alert comes first, and the others are counted", () => {
  const alerts = [fires("Slow", "/a", "warning"), fires("Critical", "/checkout", "critical")];
  assert.equal(verdict(alerts, [], NOW).text, "Critical on /checkout has fired for 2 min; 1 more alert fires.");
});

test("an endpoint is slow against itself, and not by an open or a lone minute", () => {
  assert.equal(verdict([], [endpoint("/checkout", 0.6, 0.6, 0.6, 3.4)], NOW).text, "/checkout is slow: p95 3.4 s, was 600 ms.");
  assert.match(verdict([], [endpoint("/checkout", 0.6, 3.4)], NOW).text, /^Nothing is wrong/);
  assert.match(verdict([], [{ ...endpoint("/x", 0.6, 0.6, 0.6, 0.6, 3.4), complete: [true, true, true, true, false] }], NOW).text, /^Nothing is wrong/);
});

test("that requests no longer come is no quiet, where some always came", () => {
  const of = (...counts: (number | null)[]) => ({ counts, complete: counts.map(() => true), startMs: counts.map((_, at) => at * 10_000) });

  assert.deepEqual([of(30, 40, 0, 30, 0, 0, 0), of(30, 40, 30, 0, 0), of(1, 0, 2, 0, 0, 0), of(0, 0, 0), of(30, 30, 30, null, null, null)].map(silentSince), [40_000, null, null, null, null]);
  assert.equal(silentSince({ ...of(30, 30, 0, 0, 0), complete: [true, true, true, true, false] }), null);
  assert.equal(verdict([], [], NOW, of(30, 30, 0, 0, 0)).text, "No request has come for 16 min.");
});
