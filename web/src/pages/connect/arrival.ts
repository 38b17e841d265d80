// Whether a first point has come, what was refused of it and why, in words. Pure; times are ms.
import { counted } from "../../format/figures.ts";
import { duration, lasted } from "../../format/numbers.ts";

/** What came since the page was opened. */
export interface Came {
  /** Rows of points and events that were received. */
  readonly received: number;
  /** Points and events that were refused, by code. */
  readonly rejected: Readonly<Record<string, number>>;
  /** Requests that were refused as a whole, by code. */
  readonly refused: Readonly<Record<string, number>>;
  /** Points that can be asked for. */
  readonly stored: number;
  readonly openedMs: number;
  /** When the first stored one was seen; null: none was. */
  readonly storedMs: number | null;
  readonly nowMs: number;
}

export interface Told {
  readonly shape: "○" | "◐" | "●";
  readonly text: string;
  /** Nothing has come for so long that something is wrong. */
  readonly isLate: boolean;
}

/** From then on the causes are named. */
export const LATE_MS = 20_000;

const WORDS: Readonly<Record<string, string>> = {
  invalid_value: "value: must be a number", no_value: "value: NaN is not counted", ts_in_future: "ts: more than 60 s ahead of this system's clock",
  ts_too_old: "ts: more than 5 days old", malformed_json: "the body is no JSON", invalid_body: "the body has no list of points or events",
  unsupported_media_type: "Content-Type: must be application/json", forbidden: "the key may not write", forbidden_origin: "the key is bound to pages of other origins",
  rate_limited: "the tenant has sent all that it may", unavailable: "the log cannot be reached now: clients come again",
};

/** What a code means, by the field that it names. */
export function meaning(code: string): string {
  const found = /^(invalid|unknown|missing)_(.+)$/.exec(code) ?? /^(.+)_(out_of_range)$/.exec(code);
  if (WORDS[code] || !found) return WORDS[code] ?? code;
  const [, first, second] = found as unknown as [string, string, string];
  if (second === "out_of_range") return `${first}: beyond what can be`;
  return `${second}: ${{ invalid: "has the wrong type, length or characters", unknown: "is not known here", missing: "is missing" }[first as "invalid"]}`;
}

const sum = (codes: Readonly<Record<string, number>>) => Object.values(codes).reduce((all, n) => all + n, 0);
const listed = (codes: Readonly<Record<string, number>>) => Object.entries(codes).filter(([, n]) => n > 0).sort((a, b) => b[1] - a[1]).map(([code]) => meaning(code)).join("; ");

export function told({ received, rejected, refused, stored, openedMs, storedMs, nowMs }: Came): Told {
  const [few, whole] = [sum(rejected), sum(refused)];
  const waited = nowMs - openedMs;
  const parts = [few ? `${few} rejected: ${listed(rejected)}` : "", whole ? `${counted(whole, "request")} refused: ${listed(refused)}` : ""].filter(Boolean);
  const wrong = parts.length ? `; ${parts.join("; ")}` : "";
  if (stored && storedMs !== null) return { shape: "●", text: `stored: ${counted(stored, "point")}, seen ${duration(Math.max(100, storedMs - openedMs))} after you opened this${wrong}`, isLate: false };
  if (received) return { shape: "◐", text: `request came: ${counted(received, "point")}${parts.length ? `, ${parts.join(", ")}` : ", on the way to the tables"}`, isLate: false };
  if (parts.length) return { shape: "◐", text: `request came: ${parts.join(", ")}`, isLate: false };
  return { shape: "○", text: `waiting, ${lasted(waited)}`, isLate: waited >= LATE_MS };
}

/** What came on top of what there was. */
export function since(before: Readonly<Record<string, number>>, now: Readonly<Record<string, number>>): Record<string, number> {
  return Object.fromEntries(Object.entries(now).map(([code, n]) => [code, Math.max(0, n - (before[code] ?? 0))]).filter(([, n]) => (n as number) > 0));
}
