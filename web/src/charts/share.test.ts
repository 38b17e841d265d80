import assert from "node:assert/strict";
import { test } from "node:test";

import { percents } from "./percents.ts";
import { zones } from "./zones.ts";

test("whole percents add up to 100, those of nothing are 0", () => {
  assert.deepEqual(percents([1, 1, 1]), [34, 33, 33]);
  assert.deepEqual(percents([612, 238, 150]), [61, 24, 15]);
  assert.deepEqual(percents([0, 0, 0]), [0, 0, 0]);
});

test("a ruler has both limits and holds every value, at its end where it is beyond", () => {
  assert.deepEqual(zones([2500, 4000], 2750, 2500, 3000), { good: 2500 / 5500, poor: 4000 / 5500, value: 0.5, low: 2500 / 5500, high: 3000 / 5500, isBeyond: false });
  assert.deepEqual(zones([0.1, 0.25], 3, null, null).value, 1);
  assert.ok(zones([0.1, 0.25], 3, null, null).isBeyond);
});
