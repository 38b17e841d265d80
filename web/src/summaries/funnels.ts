// Funnels: where people leave, how sure the rates are, and the sentence that says so. Pure. Times are milliseconds.
import { counted, percent, seconds } from "../format/figures.ts";

export interface Step {
  step: number;
  name: string;
  sessions: number;
  rate: number | null;
  drop_off: number;
  drop_off_rate: number | null;
  median_ms: number | null;
}

export interface Report {
  funnel: string;
  from_ms: number;
  to_ms: number;
  entries: number;
  completed: number;
  completion_rate: number | null;
  steps: Step[];
  out_of_order: number;
  largest_drop: string | null;
}

/** Sessions that entered within this time may still go on: they are shown, and left out of rates. */
export const MATURE_MS = 30 * 60_000;

/** The interval of a rate at 95 % (Wilson 1927); null of nothing. */
export function wilson(part: number, whole: number): { low: number; high: number } | null {
  if (!(whole > 0)) return null;
  const z = 1.959964;
  const [p, square] = [part / whole, (z * z) / whole];
  const middle = (p + square / 2) / (1 + square);
  const half = (z * Math.sqrt((p * (1 - p)) / whole + square / (4 * whole))) / (1 + square);
  return { low: part === 0 ? 0 : Math.max(0, middle - half), high: part === whole ? 1 : Math.min(1, middle + half) };
}

export interface Row {
  name: string;
  sessions: number;
  /** Of those, the ones that may still go on. */
  immature: number;
  /** Of mature sessions: the share of the step before that came here; null for the entry, or of nothing. */
  rate: number | null;
  interval: { low: number; high: number } | null;
  /** Mature sessions of the step before that did not come here. */
  lost: number;
  medianMs: number | null;
}

/** Rows of a report; `young` is the same report of the entries that may still go on, which rates leave out. */
export function rows(report: Report, young: Report | null): Row[] {
  const youngAt = (at: number) => young?.steps[at]?.sessions ?? 0;
  return report.steps.map((step, at) => {
    const mature = Math.max(0, step.sessions - youngAt(at));
    const before = at ? Math.max(0, report.steps[at - 1]!.sessions - youngAt(at - 1)) : 0;
    return {
      name: step.name, sessions: step.sessions, immature: Math.min(step.sessions, youngAt(at)),
      rate: at && before ? mature / before : null, interval: at ? wilson(mature, before) : null,
      lost: at ? Math.max(0, before - mature) : 0, medianMs: step.median_ms,
    };
  });
}

/** The share of mature entries that reached the last step. */
export function completion(found: readonly Row[]): { rate: number | null; interval: { low: number; high: number } | null } {
  const [first, last] = [found[0], found.at(-1)];
  const mature = (row: Row | undefined) => (row ? row.sessions - row.immature : 0);
  const entries = mature(first);
  return { rate: entries ? mature(last) / entries : null, interval: wilson(mature(last), entries) };
}

/** `image_upload` as people read it. */
export function stepName(name: string): string {
  const text = name.replaceAll("_", " ");
  return text.charAt(0).toUpperCase() + text.slice(1);
}

/** The answer in one sentence. */
export function sentence(found: readonly Row[]): string {
  const entries = found[0]?.sessions ?? 0;
  if (!entries) return "Nobody entered this funnel in this range.";
  const { rate } = completion(found);
  const young = found[0]!.immature;
  if (rate === null) return `${counted(entries, "session")} entered within the last half hour: too early to say how many get through.`;
  const worst = [...found].sort((a, b) => b.lost - a.lost)[0]!;
  const whole = `${percent(rate)} of ${counted(entries - young, "session")} get through`;
  if (!worst.lost) return `${whole}; nobody left on the way.`;
  const before = found[found.indexOf(worst) - 1]!;
  return `${whole}. Most leave between ${stepName(before.name).toLowerCase()} and ${stepName(worst.name).toLowerCase()}: ${counted(worst.lost, "session")}, ${percent(1 - (worst.rate ?? 1))}.`;
}

/** Beside and below a bar. */
export function rowTexts(row: Row, at: number, isWorst = false): { text: string; detail: string } {
  const text = at ? `${row.sessions.toLocaleString("en")} · ${row.rate === null ? "–" : percent(row.rate)}` : `${row.sessions.toLocaleString("en")} entered`;
  const parts = [
    at && row.lost ? `▼ ${row.lost.toLocaleString("en")} lost${isWorst ? ", most of all" : ""}` : "",
    row.interval && row.rate !== null ? `between ${percent(row.interval.low)} and ${percent(row.interval.high)}` : "",
    row.medianMs === null ? "" : `median ${seconds(row.medianMs / 1000)} from the step before`,
  ];
  return { text, detail: parts.filter(Boolean).join(" · ") };
}
