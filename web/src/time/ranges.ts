// Ranges of a page: those that have a name, and how one is moved and zoomed. Milliseconds. Pure: now is an argument.
import { boundMs, instantOf, wallOf, wallText } from "./instants.ts";

export interface Bounds {
  readonly from: string;
  readonly to: string;
}

export interface NamedRange extends Bounds {
  readonly name: string;
}

/** Ranges that move with the time. */
export const MOVING: readonly NamedRange[] = [
  ["15 min", "now-15m"], ["1 h", "now-1h"], ["6 h", "now-6h"], ["24 h", "now-24h"], ["7 d", "now-7d"], ["28 d", "now-28d"],
].map(([name, from]) => ({ name: `last ${name}`, from: from!, to: "now" }));

/** Days and weeks of a calendar in the zone. */
export function calendarRanges(zone: string, nowMs: number): NamedRange[] {
  const today = midnight(nowMs, zone, 0);
  const weekday = new Date(Date.UTC(...ymd(nowMs, zone))).getUTCDay() || 7;
  const at = (days: number) => wallText(midnight(nowMs, zone, days), zone);
  return [
    { name: "today", from: wallText(today, zone), to: at(1) },
    { name: "yesterday", from: at(-1), to: at(0) },
    { name: "this week", from: at(1 - weekday), to: at(8 - weekday) },
    { name: "last week", from: at(-6 - weekday), to: at(1 - weekday) },
  ];
}

function ymd(ms: number, zone: string): [number, number, number] {
  const { year, month, day } = wallOf(ms, zone);
  return [year, month - 1, day];
}

function midnight(nowMs: number, zone: string, days: number): number {
  const [year, month, day] = ymd(nowMs, zone);
  const moved = new Date(Date.UTC(year, month, day + days));
  return instantOf({ year: moved.getUTCFullYear(), month: moved.getUTCMonth() + 1, day: moved.getUTCDate(), hour: 0, minute: 0, second: 0 }, zone);
}

/** Begin and end in ms; null where a bound cannot be read or the range is empty. */
export function spanOf({ from, to }: Bounds, zone: string, nowMs: number): { fromMs: number; toMs: number } | null {
  const [fromMs, toMs] = [boundMs(from, zone, nowMs), boundMs(to, zone, nowMs)];
  return fromMs === null || toMs === null || fromMs >= toMs ? null : { fromMs, toMs };
}

/** Whether the end of a range is now, so that its answer goes on changing by itself. */
export function isMoving({ to }: Pick<Bounds, "to">): boolean {
  return to === "now";
}

/** The name of a range: that of a moving one, or its bounds as a wall shows them. */
export function rangeName(bounds: Bounds, zone: string, nowMs: number): string {
  const named = [...MOVING, ...calendarRanges(zone, nowMs)].find(({ from, to }) => from === bounds.from && to === bounds.to);
  if (named) return named.name;
  const ago = /^now-(\d+)([smhdw])$/.exec(bounds.from);
  if (ago && bounds.to === "now") return `last ${ago[1]} ${{ s: "s", m: "min", h: "h", d: "d", w: "weeks" }[ago[2]!]}`;
  const span = spanOf(bounds, zone, nowMs);
  if (!span) return "an unknown range";
  const [from, to] = [wallText(span.fromMs, zone), wallText(span.toMs, zone)];
  return from.slice(0, 10) === to.slice(0, 10) ? `${from.replace("T", " ")} to ${to.slice(11)}` : `${from.replace("T", " ")} to ${to.replace("T", " ")}`;
}

/** The bounds of an absolute range, whole seconds. */
export function absolute(fromMs: number, toMs: number, zone: string): Bounds {
  return { from: wallText(Math.floor(fromMs / 1000) * 1000, zone), to: wallText(Math.ceil(toMs / 1000) * 1000, zone) };
}

/** Half a range earlier (-1) or later (1), or twice (2) or half (0.5) as long about its middle; never beyond now. */
export function moved(bounds: Bounds, zone: string, nowMs: number, change: { by?: -1 | 1; zoom?: 2 | 0.5 }): Bounds {
  const span = spanOf(bounds, zone, nowMs);
  if (!span) return bounds;
  const long = span.toMs - span.fromMs;
  const wanted = Math.max(60_000, long * (change.zoom ?? 1));
  const middle = (span.fromMs + span.toMs) / 2 + (long / 2) * (change.by ?? 0);
  const toMs = Math.min(nowMs, middle + wanted / 2);
  return absolute(toMs - wanted, toMs, zone);
}
