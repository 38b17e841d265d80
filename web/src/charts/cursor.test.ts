import assert from "node:assert/strict";
import { test } from "node:test";

import { NONE, pressed, type Cursor, type Step } from "./cursor.ts";

function walk(keys: string[], count = 30, rows = 1): Step {
  return keys.reduce<Step>((step, key) => pressed(step.cursor, key.replace("+", ""), key.startsWith("+"), count, rows) ?? step, { cursor: NONE });
}

for (const [name, keys, at] of [
  ["left begins at the newest window", ["ArrowLeft"], 29],
  ["right begins at the oldest", ["ArrowRight"], 0],
  ["home and end are the ends", ["End", "Home"], 0],
  ["shift goes ten windows", ["Home", "+ArrowRight"], 10],
  ["it stops at the ends", ["Home", "ArrowLeft", "ArrowLeft"], 0],
] as const)
  test(name, () => assert.equal(walk([...keys]).cursor.at, at));

test("Enter begins a brush and Enter ends it, in either direction", () => {
  const found = walk(["End", "Enter", "ArrowLeft", "ArrowLeft", "Enter"]);

  assert.deepEqual(found, { cursor: { at: 27, row: 0, from: null }, brushed: { from: 27, to: 29, low: 0, high: 0 } });
});

test("with rows a brush holds times and values", () => {
  assert.deepEqual(walk(["Home", "ArrowUp", "Enter", "+ArrowUp", "ArrowRight", "Enter"], 30, 20).brushed, { from: 0, to: 1, low: 1, high: 11 });
});

test("Escape ends a brush first, and then the cursor", () => {
  const begun: Cursor = { at: 3, row: 0, from: { at: 1, row: 0 } };

  assert.deepEqual(pressed(begun, "Escape", false, 9)?.cursor, { at: 3, row: 0, from: null });
  assert.deepEqual(pressed({ ...begun, from: null }, "Escape", false, 9)?.cursor, NONE);
});

test("keys of others are left to them", () => {
  assert.equal(pressed(NONE, "Tab", false, 9), undefined);
  assert.equal(pressed(NONE, "ArrowUp", false, 9), undefined);
  assert.equal(pressed(NONE, "ArrowLeft", false, 0), undefined);
  assert.equal(pressed(NONE, "Escape", false, 9), undefined);
});
