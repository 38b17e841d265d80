import assert from "node:assert/strict";
import { test } from "node:test";
import { absolute, calendarRanges, moved, rangeName, spanOf } from "./ranges.ts";

const NOW = Date.parse("2026-11-30T06:36:09Z"); // a Monday
const HOUR = 3_600_000;

test("a range that cannot be is none", () => {
  assert.equal(spanOf({ from: "now", to: "now-1h" }, "UTC", NOW), null);
  assert.equal(spanOf({ from: "nonsense", to: "now" }, "UTC", NOW), null);
});

test("days and weeks follow the calendar of the zone", () => {
  assert.deepEqual(calendarRanges("Europe/Berlin", NOW), [
    { name: "today", from: "2026-11-30T00:00", to: "2026-12-01T00:00" },
    { name: "yesterday", from: "2026-11-29T00:00", to: "2026-11-30T00:00" },
    { name: "this week", from: "2026-11-30T00:00", to: "2026-12-07T00:00" },
    { name: "last week", from: "2026-11-23T00:00", to: "2026-11-30T00:00" },
  ]);
});

test("a day of 25 hours is named and long as it is", () => {
  const day = { from: "2026-10-25T00:00", to: "2026-10-26T00:00" };
  const span = spanOf(day, "Europe/Berlin", NOW)!;
  assert.equal(span.toMs - span.fromMs, 25 * HOUR);
  assert.equal(rangeName(day, "Europe/Berlin", NOW), "2026-10-25 00:00 to 2026-10-26 00:00");
});

test("names are those of the picker, or what the bounds say", () => {
  assert.equal(rangeName({ from: "now-6h", to: "now" }, "UTC", NOW), "last 6 h");
  assert.equal(rangeName({ from: "now-45m", to: "now" }, "UTC", NOW), "last 45 min");
  assert.equal(rangeName({ from: "2026-11-30T05:00", to: "2026-11-30T06:00" }, "UTC", NOW), "2026-11-30 05:00 to 06:00");
});

test("earlier is half a range, and nothing goes beyond now", () => {
  const last = { from: "now-2h", to: "now" };
  assert.deepEqual(moved(last, "UTC", NOW, { by: -1 }), absolute(NOW - 3 * HOUR, NOW - HOUR, "UTC"));
  assert.deepEqual(moved(last, "UTC", NOW, { by: 1 }), absolute(NOW - 2 * HOUR, NOW, "UTC"));
  assert.deepEqual(moved(last, "UTC", NOW, { zoom: 0.5 }), absolute(NOW - 1.5 * HOUR, NOW - 0.5 * HOUR, "UTC"));
});
