import assert from "node:assert/strict";
import { test } from "node:test";

import { type Came, LATE_MS, meaning, since, told } from "./arrival.ts";

const NOTHING: Came = { received: 0, rejected: {}, refused: {}, stored: 0, openedMs: 1000, storedMs: null, nowMs: 5000 };

test("one waits, and after twenty seconds something is wrong", () => {
  assert.deepEqual(told(NOTHING), { shape: "○", text: "waiting, 4 s", isLate: false });
  assert.equal(told({ ...NOTHING, nowMs: 1000 + LATE_MS }).isLate, true);
});

test("what is rejected is said with its field, also where the rest is on its way", () => {
  assert.deepEqual(told({ ...NOTHING, received: 3, rejected: { invalid_value: 1 } }), { shape: "◐", text: "request came: 3 points, 1 rejected: value: must be a number", isLate: false });
  assert.equal(told({ ...NOTHING, refused: { forbidden_origin: 2 } }).text, "request came: 2 requests refused: the key is bound to pages of other origins");
});

test("what is stored is the end, with what was wrong beside it", () => {
  assert.equal(told({ ...NOTHING, received: 1, stored: 1, storedMs: 2200 }).text, "stored: 1 point, seen 1.2 s after you opened this");
  assert.match(told({ ...NOTHING, received: 2, stored: 1, storedMs: 2200, rejected: { ts_too_old: 1 } }).text, /; 1 rejected: ts: more than 5 days old$/);
});

test("a code is said in words by the field that it names", () => {
  assert.deepEqual(["invalid_name", "weight_out_of_range", "missing_session", "no_change"].map(meaning), [
    "name: has the wrong type, length or characters", "weight: beyond what can be", "session: is missing", "no_change",
  ]);
});

test("only what came since counts", () => {
  assert.deepEqual(since({ a: 2, b: 1 }, { a: 5, b: 1, c: 1 }), { a: 3, c: 1 });
});
