import assert from "node:assert/strict";
import { test } from "node:test";
import { ago, bytes, changed, count, duration, formatOf, percent, plain, short } from "./numbers.ts";

test("numbers have three figures and their unit", () => {
  assert.deepEqual([plain(0.0041234), plain(6.251), plain(412.4), plain(48210.7)], ["0.00412", "6.25", "412", "48,211"]);
  assert.deepEqual([short(412), short(48_210), short(3_400_000)], ["412", "48.2K", "3.4M"]);
  assert.deepEqual([count(4812), count(0.5)], ["4,812", "0.5"]);
  assert.deepEqual([percent(0.004), percent(0.081), percent(0.61), percent(1)], ["0.4 %", "8.1 %", "61 %", "100 %"]);
  assert.deepEqual([duration(0), duration(0.4), duration(4.2), duration(612), duration(6000), duration(125_000), duration(7_200_000)], ["0 ms", "0.4 ms", "4.2 ms", "612 ms", "6.0 s", "2 min", "2 h"]);
  assert.deepEqual([bytes(512), bytes(1_500_000)], ["512 B", "1.43 MiB"]);
});

test("a unit that is not known stands behind the number", () => {
  assert.deepEqual([formatOf("s")(0.61), formatOf("1")(0.624), formatOf("{user}")(3), formatOf("")(3)], ["610 ms", "62 %", "3 {user}", "3"]);
});

test("a change is said in words, and not at all without anything to compare with", () => {
  assert.equal(changed(1.12, 1, ["slower", "faster"]), "12 % slower");
  assert.equal(changed(0.8, 1, ["slower", "faster"]), "20 % faster");
  assert.equal(changed(1.001, 1, ["slower", "faster"]), "as before");
  assert.deepEqual([changed(1, null, ["more", "less"]), changed(null, 1, ["more", "less"]), changed(1, 0, ["more", "less"])], [null, null, null]);
});

test("an age is said in words", () => {
  assert.deepEqual([ago(400), ago(3200), ago(125_000)], ["just now", "3 s ago", "2 min ago"]);
});
