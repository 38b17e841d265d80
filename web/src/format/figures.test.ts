import assert from "node:assert/strict";
import { test } from "node:test";

import { counted, figure, percent, sampled, seconds, slower } from "./figures.ts";

test("a value has its unit; a ratio is no per cent", () => {
  assert.deepEqual([figure(2750, "ms"), figure(0.04, "1"), figure(3, "widgets"), seconds(0.16)], ["2.75 s", "0.04", "3 widgets", "160 ms"]);
});

test("few are never none, nor nearly all all", () => {
  assert.deepEqual([0, 0.00004, 0.004, 0.612, 0.9995, 1].map(percent), ["0 %", "< 0.01 %", "0.4 %", "61 %", "> 99 %", "100 %"]);
});

test("counts agree with their word", () => {
  assert.deepEqual([counted(1, "load"), counted(4812, "load")], ["1 load", "4,812 loads"]);
  assert.deepEqual([sampled(null, "load"), sampled(0, "load")], ["how many loads is not known", "0 loads"]);
});

test("a change is said in words, and not at all where nothing was before", () => {
  assert.deepEqual(
    [[1.12, 1], [0.8, 1], [3.4, 1], [1.001, 1], [1, null], [1, 0], [null, 1]].map(([now, before]) => slower(now!, before!)),
    ["12 % slower", "20 % quicker", "3.4 times as slow", "as before", "", "", ""],
  );
});
