// API latency: what is slow, since when, for whom, and the sentence that says so. Pure. Values are in the metric's unit.
import type { Value } from "../charts/incomplete.ts";
import { counted, figure, percent } from "../format/figures.ts";
import { enough, quantileOf } from "../parts/ratings.ts";
import { type Answer, type Figure, UNKNOWN, byLabels, figureOf, nameOf } from "../api/answers.ts";

export interface RouteRow {
  name: string;
  labels: Record<string, string>;
  count: number;
  /** Of answers with status 5xx; null where answers bear no status. */
  errors: number | null;
  p50: Figure;
  p95: Figure;
  p99: Figure;
  before: Figure;
}

/** A row a group, of answers of resolution `range` by the same labels. */
export function routeRows(routes: Answer | undefined, failed: Answer | undefined, by: readonly string[]): RouteRow[] {
  const before = byLabels(routes?.compare?.series, by);
  const errors = byLabels(failed?.series, by);
  return (routes?.series ?? []).map((one) => {
    const name = nameOf(one.labels, by);
    const of = (aggregate: string) => figureOf(one, aggregate);
    return {
      name, labels: one.labels, count: of("count").value ?? 0, errors: failed ? (figureOf(errors.get(name), "count").value ?? 0) : null,
      p50: of("p50"), p95: of("p95"), p99: of("p99"), before: before.has(name) ? figureOf(before.get(name), "p95") : UNKNOWN,
    };
  });
}

/** Whether an interval lies above another one, both with enough samples: then it is slower, not luck. */
export function isSlower(now: Figure, before: Figure): boolean {
  const few = (one: Figure) => (one.samples ?? 0) < enough(quantileOf("p95"));
  return !few(now) && !few(before) && now.low !== null && before.high !== null && now.low > before.high;
}

/** The start of the run of windows above a level that is the latest one, if that run still goes on or ended last. */
export function since(values: readonly Value[], startMs: readonly number[], level: number): number | undefined {
  let begin: number | undefined;
  for (let at = values.length - 1; at >= 0; at--) {
    const value = values[at];
    if (value === null || value === undefined) continue;
    if (value > level) begin = startMs[at];
    else if (begin !== undefined) return begin;
    else return undefined;
  }
  return begin;
}

const HIGH = 3;

/** The highest of complete windows with enough samples, where it is far above what is usual of them. */
export function highest(values: readonly Value[], samples: readonly Value[], complete: readonly boolean[], startMs: readonly number[]): { ms: number; value: number } | undefined {
  const known = values.flatMap((value, at) => (complete[at] && typeof value === "number" && (samples[at] ?? 0) >= enough(0.95) ? [{ ms: startMs[at]!, value }] : [])).sort((a, b) => a.value - b.value);
  const most = known.at(-1);
  return most && most.value > HIGH * known[known.length >> 1]!.value ? most : undefined;
}

/** The answer in one sentence: the group that became slower most, when it was slow, or that nothing was. `clock` writes an instant. */
export function sentence(whole: Figure, rows: readonly RouteRow[], unit: string, begun: number | undefined, clock: (ms: number) => string, high?: { ms: number; value: number }): string {
  if (whole.value === null) return "No answers in this range.";
  if (whole.samples === null) return `p95 is ${figure(whole.value, unit)}; how many answers it is made of is not known.`;
  if (whole.samples < enough(quantileOf("p95"))) return `${counted(whole.samples, "answer is", "answers are")} too few for a p95. It lies above ${figure(whole.low ?? whole.value, unit)}.`;
  const slower = rows.filter((row) => isSlower(row.p95, row.before)).sort((a, b) => b.p95.value! / b.before.value! - a.p95.value! / a.before.value!);
  const worst = slower[0];
  const others = slower.length > 1 ? `, and ${slower.length - 1} more` : "";
  if (worst) return `${worst.name} is slow${begun === undefined ? "" : ` since ${clock(begun)}`}${others}: p95 ${figure(worst.p95.value!, unit)}, was ${figure(worst.before.value!, unit)}.`;
  const known = rows.some((row) => row.before.value !== null);
  const slowest = [...rows].filter((row) => (row.p95.samples ?? 0) >= enough(0.95)).sort((a, b) => b.p95.value! - a.p95.value!)[0];
  const tail = slowest && rows.length > 1 ? ` Slowest is ${slowest.name} with ${figure(slowest.p95.value!, unit)}.` : "";
  return `p95 is ${figure(whole.value, unit)} over ${counted(whole.samples, "answer")}${high ? `, but was ${figure(high.value, unit)} at ${clock(high.ms)}` : known ? "; nothing became slower" : ""}.${tail}`;
}

export interface Difference {
  label: string;
  value: string;
  difference: number;
  inside: number;
  inside_share: number;
  outside: number;
  outside_share: number;
}

/** What is worth saying of the differences: more common inside, and not the only value that its label has. */
export function telling(found: readonly Difference[], most = 8): Difference[] {
  return found.filter((one) => one.difference > 0.02 && one.inside > 0).slice(0, most);
}

/** A difference in words: "endpoint /checkout: 91 % of the selection, 6 % elsewhere". */
export function differenceText(one: Difference): string {
  return `${one.label} ${one.value || "(absent)"}: ${percent(one.inside_share)} of the selection, ${percent(one.outside_share)} elsewhere`;
}

export interface Area {
  fromMs: number;
  toMs: number;
  low: number;
  high: number;
}

/** A selection as the URL has it, and back; null for what is none. */
export function areaText({ fromMs, toMs, low, high }: Area): string {
  return [fromMs, toMs, Number(low.toPrecision(4)), Number(high.toPrecision(4))].join("_");
}

export function areaOf(text: string): Area | null {
  const [fromMs, toMs, low, high, ...more] = text.split("_").map(Number);
  const all = [fromMs, toMs, low, high];
  if (more.length || all.some((each) => each === undefined || !Number.isFinite(each)) || fromMs! >= toMs! || low! > high!) return null;
  return { fromMs: fromMs!, toMs: toMs!, low: low!, high: high! };
}
