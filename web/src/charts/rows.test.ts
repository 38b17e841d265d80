import assert from "node:assert/strict";
import { test } from "node:test";

import { spoken, tableOf, windowName } from "./rows.ts";
import type { Line, Windows } from "./types.ts";

const AT = Date.UTC(2026, 10, 30, 13, 32);
const seconds = (value: number) => `${value} s`;
const p95: Line = { name: "p95", tone: 1, values: [0.6, null, 0.7], samples: [1200, 0, 40], low: [0.5, null, 0.6], high: [0.8, null, null], revision: [2, 0, 0], late: [31, 0, 0] };
const windows: Windows = { startMs: [AT, AT + 60_000, AT + 120_000], endMs: [AT + 60_000, AT + 120_000, AT + 180_000], complete: [true, true, false], zone: "Europe/Berlin" };

test("a window says its day only where that is not today", () => {
  assert.equal(windowName(AT, AT + 60_000, "Europe/Berlin", AT), "14:32–14:33");
  assert.equal(windowName(AT, AT + 10_000, "UTC", AT), "13:32:00–13:32:10");
  assert.equal(windowName(AT, AT + 60_000, "UTC", AT + 2 * 86_400_000), "30 Nov 13:32–13:33");
  assert.equal(windowName(Date.UTC(2026, 9, 24, 22), Date.UTC(2026, 9, 25, 23), "Europe/Berlin", AT), "Sun 25 Oct, 25 hours");
});

test("a value is said with interval, samples and revisions; an open window and an unknown value are said so", () => {
  assert.deepEqual([0, 1, 2].map((at) => spoken(p95, at, windows.complete[at]!, seconds)), [
    "p95 0.6 s (0.5 s to 0.8 s), n 1,200, revised 2×, 31 late points",
    "p95 not known",
    "p95 0.7 s, n 40, still open",
  ]);
});

test("the table has the numbers of the chart, and no 0 where nothing is known", () => {
  const count: Line = { name: "answers", tone: 2, values: [7, 0, 0], isCount: true };

  assert.deepEqual(tableOf(windows, [p95, count], seconds), {
    columns: ["Window", "p95", "p95 n", "answers", "State"],
    rows: [
      [windowName(AT, AT + 60_000, "Europe/Berlin"), "0.6 s", "1,200", "7 s", "revised 2×, 31 late points"],
      [windowName(AT + 60_000, AT + 120_000, "Europe/Berlin"), "–", "0", "0 s", "complete"],
      [windowName(AT + 120_000, AT + 180_000, "Europe/Berlin"), "0.7 s", "40", "–", "open"],
    ],
  });
});
