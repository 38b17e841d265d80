// Errors: the latest events by kind and message, and the sentence that says what broke. Pure. Times are milliseconds UTC.
import { counted } from "../format/figures.ts";

export interface ErrorEvent {
  event_id: string;
  ts_ms: number;
  name: string;
  session_id: string;
  user_id: string;
  properties: Record<string, unknown>;
}

export interface ErrorRow {
  key: string;
  name: string;
  message: string;
  level: string;
  count: number;
  /** Different users in the events that were read; 0 where none is named. */
  users: number;
  firstMs: number;
  lastMs: number;
  releases: string[];
  latest: ErrorEvent[];
}

const text = (value: unknown) => (typeof value === "string" ? value : "");

/** Events that agree in kind and message, most of them first. It is no fingerprint: numbers in a message tell them apart. */
export function errorRows(events: readonly ErrorEvent[]): ErrorRow[] {
  const rows = new Map<string, ErrorRow & { seen: Set<string> }>();
  for (const event of events) {
    const message = text(event.properties["message"]);
    const key = `${event.name}\n${message}`;
    let row = rows.get(key);
    if (!row) {
      row = { key, name: event.name, message, level: "", count: 0, users: 0, firstMs: event.ts_ms, lastMs: event.ts_ms, releases: [], latest: [], seen: new Set() };
      rows.set(key, row);
    }
    row.count += 1;
    row.level = worse(row.level, text(event.properties["level"]));
    row.firstMs = Math.min(row.firstMs, event.ts_ms);
    row.lastMs = Math.max(row.lastMs, event.ts_ms);
    if (event.user_id) row.seen.add(event.user_id);
    row.users = row.seen.size;
    const release = text(event.properties["release"]);
    if (release && !row.releases.includes(release)) row.releases.push(release);
    row.latest.push(event);
  }
  return [...rows.values()].sort((a, b) => b.count - a.count);
}

/** How often an error came in each of 24 parts of a time, for a spark. */
export function trend(row: ErrorRow, fromMs: number, toMs: number): number[] {
  const parts = new Array<number>(24).fill(0);
  for (const { ts_ms } of row.latest) parts[Math.min(23, Math.floor((24 * (ts_ms - fromMs)) / Math.max(1, toMs - fromMs)))]! += 1;
  return parts;
}

const LEVELS = ["", "trace", "debug", "info", "warning", "error", "fatal"];

function worse(one: string, other: string): string {
  return LEVELS.indexOf(other) > LEVELS.indexOf(one) ? other : one;
}

/** The answer in one sentence; `total` is what was counted, of which `read` events are at hand: all, or the latest. */
export function sentence(total: number | null, read: number, isAll: boolean, rows: readonly ErrorRow[]): string {
  if (total === null && !read) return "Whether there were errors in this range is not known yet.";
  if (!total && !read) return "No errors in this range.";
  const worst = rows[0];
  const whole = counted(Math.max(total ?? 0, read), "error");
  if (!worst) return `${whole} in this range.`;
  const of = !isAll ? ` of the latest ${read.toLocaleString("en")}` : "";
  const users = worst.users ? ` at ${counted(worst.users, "user")}` : "";
  return `${whole}. Most frequent: ${worst.name || "(no kind)"}, ${counted(worst.count, "time")}${of}${users}.`;
}

export interface Frame {
  function: string;
  where: string;
}

/** The calls of a stack, innermost first; empty where the client sent none. */
export function stackOf(event: ErrorEvent): Frame[] {
  const stack = event.properties["stack"];
  if (!Array.isArray(stack)) return [];
  return stack.filter((call): call is Record<string, unknown> => typeof call === "object" && call !== null).map((call) => ({
    function: text(call["function"]) || "(anonymous)",
    where: [text(call["file"]), call["line"], call["column"]].filter((part) => part !== undefined && part !== "").join(":"),
  }));
}
