import assert from "node:assert/strict";
import { test } from "node:test";

import { FID, VITALS, enough, judged, quantileOf, ratingOf } from "./ratings.ts";

test("an upper bound needs as many samples as design says", () => {
  assert.deepEqual(["p75", "p90", "p95", "p99"].map((name) => enough(quantileOf(name))), [13, 36, 72, 368]);
});

test("limits are the official ones: good includes the first, poor begins above the second", () => {
  assert.deepEqual([...VITALS, FID].map(({ name, limits }) => [name, ...limits]), [
    ["LCP", 2500, 4000], ["INP", 200, 500], ["CLS", 0.1, 0.25], ["FCP", 1800, 3000], ["TTFB", 800, 1800], ["FID", 100, 300],
  ]);
  assert.deepEqual([2500, 2500.1, 4000, 4000.1].map((value) => ratingOf(value, [2500, 4000])), ["good", "needs improvement", "needs improvement", "poor"]);
});

test("too few samples are muted and not rated", () => {
  assert.deepEqual(judged(9000, 12, 0.75, [2500, 4000]), { isMuted: true });
  assert.deepEqual(judged(9000, 13, 0.75, [2500, 4000]), { rating: "poor", isMuted: false });
  assert.deepEqual(judged(null, 0, 0.75, [2500, 4000]), { isMuted: true });
  assert.deepEqual(judged(1, null, 0.75, [2500, 4000]), { isMuted: true });
});
