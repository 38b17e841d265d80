import assert from "node:assert/strict";
import { test } from "node:test";

import { newest, shown, split } from "./incomplete.ts";

test("a line is solid up to the last complete window and goes on dashed from there", () => {
  const found = split([1, 2, 3, 4], [true, true, false, false]);

  assert.deepEqual(found, { solid: [1, 2, null, null], open: [null, 2, 3, 4], hollow: 3 });
});

test("a line of complete windows has nothing dashed, whatever the time is", () => {
  assert.deepEqual(split([1, 2], [true, true]), { solid: [1, 2], open: [null, null], hollow: -1 });
});

test("a gap before the open windows is not bridged", () => {
  assert.deepEqual(split([1, null, 3], [true, true, false]).open, [null, null, 3]);
});

test("an open window without a value has no point", () => {
  assert.deepEqual(split([1, null], [true, false]), { solid: [1, null], open: [1, null], hollow: -1 });
});

for (const [name, values, complete, samples, isCount, expected] of [
  ["a count of a complete window may be 0", [0], [true], [0], true, [0]],
  ["a count of an open window may not", [0], [false], [0], true, [null]],
  ["a value of nothing is a gap, not 0", [0], [true], [0], false, [null]],
  ["a value that was measured as 0 is 0", [0], [false], [7], false, [0]],
  ["unknown is a gap", [null, Number.NaN], [true, true], [1, 1], true, [null, null]],
] as const)
  test(name, () => assert.deepEqual(shown([...values], [...complete], [...samples], isCount), expected));

test("the newest figure is one of a complete window", () => {
  assert.deepEqual(newest([1, 2, null, 9], [true, true, true, false]), { at: 1, value: 2 });
  assert.equal(newest([null, 9], [true, false]), undefined);
});
