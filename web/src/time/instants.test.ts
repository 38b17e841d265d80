import assert from "node:assert/strict";
import { test } from "node:test";
import { boundMs, instantOf, isZone, wallOf, wallText } from "./instants.ts";

const at = (text: string) => Date.parse(text);

test("a bound is an instant of the zone, whatever its form", () => {
  const now = at("2026-11-30T06:36:09Z");
  const cases: [string, string, number | null][] = [
    ["now", "UTC", now],
    ["now-6h", "UTC", now - 6 * 3_600_000],
    ["1796021460000", "UTC", 1796021460000],
    ["2026-10-24T00:00", "Europe/Berlin", at("2026-10-23T22:00:00Z")],
    ["2026-10-24", "Asia/Kathmandu", at("2026-10-23T18:15:00Z")],
    ["2026-10-24T00:00:00Z", "Europe/Berlin", at("2026-10-24T00:00:00Z")],
    ["", "UTC", null], ["yesterday", "UTC", null], ["now-9999999999h", "UTC", null], ["<b>", "UTC", null],
  ];
  assert.deepEqual(cases.map(([text, zone]) => boundMs(text, zone, now)), cases.map(([, , expected]) => expected));
});

test("a wall time that is there twice is the first, and one that is not begins the next day", () => {
  const wall = (text: string) => { const [y, mo, d, h, mi] = text.split(/[-T:]/).map(Number); return { year: y!, month: mo!, day: d!, hour: h!, minute: mi!, second: 0 }; };
  assert.equal(instantOf(wall("2026-10-25T02:30"), "Europe/Berlin"), at("2026-10-25T00:30:00Z"));
  assert.equal(instantOf(wall("2026-03-29T02:30"), "Europe/Berlin"), at("2026-03-29T01:00:00Z"));
  // In Cairo and Santiago clocks go forward at midnight: the day begins at one.
  assert.equal(instantOf(wall("2026-04-24T00:00"), "Africa/Cairo"), at("2026-04-23T22:00:00Z"));
  assert.equal(instantOf(wall("2026-09-06T00:00"), "America/Santiago"), at("2026-09-06T04:00:00Z"));
});

test("an instant comes back from its wall time in every zone", () => {
  for (const zone of ["UTC", "Europe/Berlin", "America/New_York", "Asia/Kathmandu", "Asia/Kolkata", "Australia/Lord_Howe", "Pacific/Chatham", "Pacific/Kiritimati", "Atlantic/Azores"])
    for (const ms of [at("2026-01-15T12:34:56Z"), at("2026-07-15T23:59:00Z"), at("2026-11-30T00:00:00Z")])
      assert.equal(boundMs(wallText(ms, zone), zone, 0), ms, zone);
});

test("a zone that is none is refused without an exception", () => {
  assert.deepEqual([isZone("Europe/Berlin"), isZone("Mars/Olympus"), isZone("")], [true, false, false]);
});

test("a wall shows the hours of its zone", () => {
  assert.equal(wallOf(at("2026-11-30T23:30:00Z"), "Pacific/Chatham").day, 1);
});
