// What the numbers of the overview say, in one sentence. Pure; times are ms, p95 in seconds.
import { duration, lasted } from "../format/numbers.ts";
import { type Alert, ruleName, severityOf, subject } from "../state/alerts.ts";

export interface Told {
  readonly text: string;
  /** false: too little is known to say anything. */
  readonly isKnown: boolean;
}

export interface Endpoint {
  readonly name: string;
  readonly p95: readonly (number | null)[];
  readonly complete: readonly boolean[];
  readonly startMs: readonly number[];
}

const TIMES_SLOWER = 2;
const LEAST_S = 0.5;

/** Requests by window. */
export interface Requests {
  readonly counts: readonly (number | null)[];
  readonly complete: readonly boolean[];
  readonly startMs: readonly number[];
}

const [SILENT, BUSY] = [3, 10];

/** Since when no request has come where some always came; null where that is not so. Windows that are open say nothing. */
export function silentSince({ counts, complete, startMs }: Requests): number | null {
  const known = counts.flatMap((n, at) => (complete[at] && n !== null ? [{ n, ms: startMs[at]! }] : []));
  const last = known.map(({ n }) => n > 0).lastIndexOf(true);
  const before = known.slice(0, last + 1).map(({ n }) => n).sort((a, b) => a - b);
  return known.length - 1 - last >= SILENT && (before[before.length >> 1] ?? 0) >= BUSY ? known[last + 1]!.ms : null;
}

/** What is wrong, worst first, or that nothing is. */
export function verdict(alerts: readonly Alert[] | null, endpoints: readonly Endpoint[], nowMs: number, requests?: Requests): Told {
  if (alerts === null) return { text: "", isKnown: false };
  const firing = alerts.filter((alert) => alert.state === "firing").sort((a, b) => severityOf(a) - severityOf(b) || (a.fired_at_ms ?? 0) - (b.fired_at_ms ?? 0));
  const slow = endpoints.map(slowness).filter((one) => one !== null).sort((a, b) => b.now / b.before - a.now / a.before)[0];
  const parts: string[] = [];
  if (firing[0]) {
    const since = lasted(nowMs - (firing[0].fired_at_ms ?? firing[0].active_at_ms));
    const where = subject(firing[0]);
    parts.push(`${ruleName(firing[0])}${where && ` on ${where}`} has fired for ${since}${firing.length > 1 ? `; ${firing.length - 1} more ${firing.length === 2 ? "alert fires" : "alerts fire"}` : ""}.`);
  }
  if (slow) parts.push(`${slow.name} is slow: p95 ${duration(slow.now * 1000)}, was ${duration(slow.before * 1000)}.`);
  const silent = requests ? silentSince(requests) : null;
  if (silent !== null) parts.push(`No request has come for ${lasted(nowMs - silent)}.`);
  if (!parts.length) parts.push("Nothing is wrong: no alert fires, and no endpoint is slower than it was a quarter of an hour ago.");
  return { text: parts.join(" "), isKnown: true };
}

/** The newest complete minute against the median of those before it: null where it is not clearly slower. */
function slowness({ name, p95, complete }: Endpoint): { name: string; now: number; before: number } | null {
  const known = p95.filter((value, at): value is number => complete[at] === true && value !== null);
  const now = known.at(-1);
  const before = known.slice(0, -1).sort((a, b) => a - b)[Math.floor((known.length - 1) / 2)];
  if (now === undefined || before === undefined || known.length < 4) return null;
  return now >= LEAST_S && now >= before * TIMES_SLOWER ? { name, now, before } : null;
}
