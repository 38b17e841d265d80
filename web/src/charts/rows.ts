// The data of a chart as rows of text, and a window in words: for the table, the cursor and those who hear a chart.
import { nowMs as now } from "../api/client.ts";
import { type Value, shown } from "./incomplete.ts";
import type { Format, Line, Windows } from "./types.ts";

const DAY_MS = 86_400_000;

/** A window in words: its day only where it is not today's or is a day itself. */
export function windowName(startMs: number, endMs: number, zone: string, nowMs = now()): string {
  const of = (ms: number, options: Intl.DateTimeFormatOptions) => new Intl.DateTimeFormat("en-GB", { timeZone: zone, ...options }).format(ms);
  const day = (ms: number) => of(ms, { day: "numeric", month: "short" });
  if (endMs - startMs > DAY_MS * 1.5) return `${day(startMs)} to ${day(endMs - 1)}`;
  if (endMs - startMs > DAY_MS * 0.8) return `${of(startMs, { weekday: "short", day: "numeric", month: "short" })}${endMs - startMs === DAY_MS ? "" : `, ${(endMs - startMs) / 3_600_000} hours`}`;
  const seconds = startMs % 60_000 || endMs % 60_000 ? ({ second: "2-digit" } as const) : {};
  const time = (ms: number) => of(ms, { hour: "2-digit", minute: "2-digit", hourCycle: "h23", ...seconds });
  const today = day(startMs) === day(nowMs) ? "" : `${day(startMs)} `;
  return `${today}${time(startMs)}–${time(endMs)}`;
}

/** A value with its interval, its samples, and what is known of the window; "not known" where nothing is. */
export function spoken(line: Line, at: number, complete: boolean, format: Format): string {
  const value = line.values[at];
  if (value === null || value === undefined) return `${line.name} not known`;
  const [low, high, n] = [line.low?.[at], line.high?.[at], line.samples?.[at]];
  const number = (end: Value | undefined) => typeof end === "number";
  const interval = number(low) && number(high) ? ` (${format(low!)} to ${format(high!)})` : "";
  const samples = number(n) && !line.isCount ? `, n ${n!.toLocaleString("en")}` : "";
  const open = complete ? "" : ", still open";
  return `${line.name} ${format(value)}${interval}${samples}${open}${revised(line, at)}`;
}

/** What late points did to a window; empty where none came. */
export function revised(line: Line, at: number): string {
  const times = line.revision?.[at] ?? 0;
  const late = line.late?.[at] ?? 0;
  return times ? `, revised ${times}×${late ? `, ${late} late ${late === 1 ? "point" : "points"}` : ""}` : "";
}

export interface TableText {
  columns: string[];
  rows: string[][];
}

/** Every window and line of a chart; a column of samples for each line that has them. */
export function tableOf(windows: Windows, lines: readonly Line[], format: Format): TableText {
  const known = lines.map((line) => ({ ...line, values: shown(line.values, windows.complete, line.samples, line.isCount) }));
  const withSamples = (line: Line) => line.samples !== undefined && !line.isCount;
  const columns = ["Window", ...known.flatMap((line) => (withSamples(line) ? [line.name, `${line.name} n`] : [line.name])), "State"];
  const cell = (value: Value | undefined, of: Format) => (value === null || value === undefined ? "–" : of(value));
  const rows = windows.startMs.map((startMs, at) => {
    const state = known.map((line) => revised(line, at).slice(2)).find(Boolean) ?? "";
    const texts = known.flatMap((line) => {
      const value = cell(line.values[at], format);
      return withSamples(line) ? [value, cell(line.samples![at], (n) => n.toLocaleString("en"))] : [value];
    });
    return [windowName(startMs, windows.endMs[at]!, windows.zone), ...texts, windows.complete[at] ? state || "complete" : "open"];
  });
  return { columns, rows };
}
