import assert from "node:assert/strict";
import { test } from "node:test";

import { cutMiddle, labelRoom, marked, path, RIGHT, spread } from "./area.ts";

test("labels keep apart, within the plot, in the order of their lines", () => {
  assert.deepEqual(spread([50, 52, 10], 14, 0, 100), [50, 64, 10]);
  assert.deepEqual(spread([99, 98], 14, 0, 100), [100, 86]);
  assert.deepEqual(spread([0, 0, 0], 14, 0, 100), [0, 14, 28]);
});

test("labels get no more room than they need", () => {
  assert.equal(labelRoom([], 900), RIGHT);
  assert.equal(labelRoom(["p95"], 900), 47);
  assert.equal(labelRoom(["a".repeat(80)], 320), 80);
});

test("names are cut in the middle, where they differ least", () => {
  assert.equal(cutMiddle("/checkout", 9), "/checkout");
  assert.equal(cutMiddle("/api/v1/orders/history/export", 15), "/api/v1…/export");
  assert.equal(cutMiddle("👍👍👍👍👍", 3), "👍…👍");
});

test("a path has a gap where a value is unknown, and a dot where one stands alone", () => {
  assert.equal(path([1, 2, null, 3], (at) => at, (value) => value), "M0.0 1.0L1.0 2.0M3.0 3.0h.01");
});

test("marks that would touch are one, and each run of revised windows has its first", () => {
  assert.deepEqual(marked([1, 1, 1, 0, 0, 2, 0], (at) => at * 10), [0, 5]);
  assert.deepEqual(marked([0, 1, 0, 1], (at) => at * 10), [1]);
  assert.deepEqual(marked([], (at) => at), []);
});
