import assert from "node:assert/strict";
import { test } from "node:test";

import { kept, sorted, type Cell } from "./sorting.ts";

const cells: Record<string, Cell> = { a: 3, b: null, c: 20, d: 1 };

test("numbers sort as numbers, and what is not known is last either way", () => {
  assert.deepEqual(sorted(["a", "b", "c", "d"], (key) => cells[key]!, true), ["c", "a", "d", "b"]);
  assert.deepEqual(sorted(["a", "b", "c", "d"], (key) => cells[key]!, false), ["d", "a", "c", "b"]);
});

test("names sort with their numbers in order", () => {
  assert.deepEqual(sorted(["/v10", "/v9"], (key) => key, false), ["/v9", "/v10"]);
});

test("rows keep their order while somebody reads; new ones come at the end and are counted", () => {
  assert.deepEqual(kept(["a", "b", "c"], ["c", "x", "a"]), { order: ["a", "c", "x"], fresh: 1, isStale: true });
  assert.deepEqual(kept(["a", "b"], ["a", "b"]), { order: ["a", "b"], fresh: 0, isStale: false });
});
