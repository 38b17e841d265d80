import assert from "node:assert/strict";
import { test } from "node:test";

import { grown, linear, logarithmic, offset, reach, timeLabel, timeStep, times } from "./ticks.ts";

test("ticks are round, few, and inside", () => {
  assert.deepEqual(linear({ low: 0, high: 1 }), [0, 0.2, 0.4, 0.6, 0.8, 1]);
  assert.deepEqual(linear({ low: 0, high: 4.4 }), [0, 1, 2, 3, 4]);
  assert.deepEqual(linear({ low: -30, high: 70 }), [-20, 0, 20, 40, 60]);
  assert.deepEqual(linear({ low: 3, high: 3 }), [3]);
});

test("a logarithmic axis has powers of ten, and less round ones only where there is room", () => {
  assert.deepEqual(logarithmic({ low: 0.1, high: 1 }), [0.1, 0.2, 0.5, 1]);
  assert.deepEqual(logarithmic({ low: 0.01, high: 10 }), [0.01, 0.1, 1, 10]);
  assert.deepEqual(logarithmic({ low: 0.05, high: 2 }), [0.05, 0.1, 0.2, 0.5, 1, 2]);
});

test("a reach holds every value, from 0 on", () => {
  assert.deepEqual(reach([0.61, null, 3.4]), { low: 0, high: 4 });
  assert.deepEqual(reach([]), { low: 0, high: 1 });
  assert.deepEqual(reach([0, 0]), { low: 0, high: 1 });
  assert.deepEqual(reach([98, 103], false), { low: 98, high: 104 });
});

test("an axis grows at once and does not shrink", () => {
  assert.deepEqual(grown(undefined, { low: 0, high: 2 }), { low: 0, high: 2 });
  assert.deepEqual(grown({ low: 0, high: 5 }, { low: -1, high: 2 }), { low: -1, high: 5 });
});

for (const [zone, hours] of [["UTC", 0], ["Europe/Berlin", 1], ["Asia/Kathmandu", 5.75], ["Pacific/Kiritimati", 14], ["America/New_York", -5]] as const)
  test(`the wall clock of ${zone} is ${hours} h ahead`, () => assert.equal(offset(Date.UTC(2026, 10, 30), zone), hours * 3_600_000));

test("ticks of days are midnights, the day of 25 hours too", () => {
  const found = times({ low: Date.UTC(2026, 9, 23, 12), high: Date.UTC(2026, 9, 27, 12) }, "Europe/Berlin", 5);

  assert.deepEqual(found.map((at) => new Date(at).toISOString().slice(5, 16)), ["10-23T22:00", "10-24T22:00", "10-25T23:00", "10-26T23:00"]);
});

test("ticks of hours are hours of the wall clock", () => {
  const found = times({ low: Date.UTC(2026, 10, 30), high: Date.UTC(2026, 10, 30, 6) }, "Asia/Kathmandu", 6);

  assert.deepEqual(found.map((at) => timeLabel(at, "Asia/Kathmandu", 3_600_000)), ["06:00", "07:00", "08:00", "09:00", "10:00", "11:00"]);
});

test("one tick alone is written like many", () => {
  const hour = { low: Date.UTC(2026, 10, 30, 6, 20), high: Date.UTC(2026, 10, 30, 7, 20) };

  assert.deepEqual(times(hour, "UTC", 1).map((at) => timeLabel(at, "UTC", timeStep(hour, 1))), ["07:00"]);
});

test("midnight is written as its day, near ticks with seconds", () => {
  assert.equal(timeLabel(Date.UTC(2026, 10, 29, 23), "Europe/Berlin", 3_600_000), "30 Nov");
  assert.equal(timeLabel(Date.UTC(2026, 10, 30, 9, 0, 10), "UTC", 10_000), "09:00:10");
});
