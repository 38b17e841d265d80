import assert from "node:assert/strict";
import { test } from "node:test";

import { MOST_ROWS, costOf } from "./cost.ts";

const DAY = 86_400_000;

test("a question reads the rows of the longest windows that fit into its own", () => {
  assert.deepEqual(costOf(100, DAY, "1h", []), { rows: 9600, series: 100, windows: 96, groups: 1 });
  assert.equal(costOf(100, DAY, "5m", []).windows, 1440);
  assert.equal(costOf(100, DAY, "10s", []).windows, 8640);
  assert.equal(costOf(100, DAY, "auto", []).windows, 1440);
});

test("a hundred thousand series of a day are too many rows, whatever they are grouped by", () => {
  assert.ok(costOf(100_000, DAY, "15m", [81_204]).rows > MOST_ROWS);
});

test("there are no more groups than series", () => {
  assert.equal(costOf(40, DAY, "1h", [12, 3]).groups, 36);
  assert.equal(costOf(30, DAY, "1h", [12, 3]).groups, 30);
});
