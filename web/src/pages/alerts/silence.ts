// What a silence from the page is about and how long it lasts: pure, with what a shell would be told.
import type { components } from "../../api/schema.d.ts";
import { instantOf, wallOf } from "../../time/instants.ts";

export type Matcher = components["schemas"]["MatcherBody"];

/** Labels of an alert that a silence begins with: not whose it is and how severe, which say nothing more. */
const LEFT_OUT = new Set(["tenant", "severity", "kind", "unit"]);

/** Matchers that an alert fulfils, its name first. */
export function matchersOf(labels: Readonly<Record<string, string>>): Matcher[] {
  const names = Object.keys(labels).filter((name) => !LEFT_OUT.has(name)).sort((a, b) => Number(b === "alertname") - Number(a === "alertname") || (a < b ? -1 : 1));
  return names.map((name) => ({ name, operator: "=", value: labels[name]! }));
}

export interface Span {
  readonly name: string;
  /** Seconds; null: until nine o'clock of the next day in the zone. */
  readonly lastsS: number | null;
}

/** How long a silence may last, as people say it. */
export const SPANS: readonly Span[] = [
  { name: "for 1 hour", lastsS: 3600 },
  { name: "for 4 hours", lastsS: 4 * 3600 },
  { name: "until tomorrow 09:00", lastsS: null },
  { name: "for 1 day", lastsS: 86_400 },
  { name: "for 1 week", lastsS: 604_800 },
];

/** Seconds until the end of a span that begins now. */
export function secondsOf(span: Span, nowMs: number, tz: string): number {
  if (span.lastsS !== null) return span.lastsS;
  const { year, month, day } = wallOf(nowMs, tz);
  const next = new Date(Date.UTC(year, month - 1, day + 1));
  const wall = { year: next.getUTCFullYear(), month: next.getUTCMonth() + 1, day: next.getUTCDate(), hour: 9, minute: 0, second: 0 };
  return Math.round((instantOf(wall, tz) - nowMs) / 1000);
}

/** The same as a command. */
export function commandOf(matchers: readonly Matcher[], seconds: number, comment: string): string {
  const said = matchers.map(({ name, operator, value }) => quoted(`${name}${operator}${value}`)).join(" ");
  return `tidegauge silence add ${said} --for ${Math.max(1, Math.ceil(seconds / 60))}m --comment ${quoted(comment || "…")}`;
}

function quoted(text: string): string {
  return /^[\w=.,:/-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}
