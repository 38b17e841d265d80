// Answers of the query API as charts, figures and tables read them. Pure. Times are milliseconds UTC.
import type { Histogram } from "../charts/heat_grid.ts";
import type { Value } from "../charts/incomplete.ts";
import type { Line, Tone, Windows } from "../charts/types.ts";
import { type Problem, problemIn } from "./problem.ts";
import type { components } from "./schema.d.ts";

type Schemas = components["schemas"];
export type Answers = Schemas["AnswersBody"];
type Body = Schemas["AnswerBody"];

/** A group: its figures are null where they are not known. */
export type Series = Omit<Schemas["SeriesBody"], "values"> & { values: Record<string, Value[]> };

/** Groups in windows; what every question that was not refused has. */
export type Answer = { [name in Exclude<keyof Body, "error" | "series" | "rest" | "compare">]-?: NonNullable<Body[name]> } & {
  series: Series[];
  rest?: Omit<Series, "labels"> & { series: number };
  compare?: { shift: string; start_ms: number[]; end_ms: number[]; complete: boolean[]; series: Series[] };
};

/** The answer with an id; undefined where it was refused, or not asked. */
export function answerOf(answers: Answers | null, id: string): Answer | undefined {
  const found = answers?.results.find((one) => one.id === id);
  return found?.series && !found.error ? (found as unknown as Answer) : undefined;
}

/** Why a question was refused. */
export function refusalOf(answers: Answers | null, id: string): Problem | undefined {
  const error = answers?.results.find((one) => one.id === id)?.error;
  return error ? problemIn(error) : undefined;
}

/** A refusal that is no want of data: a metric that was never sent is an empty page, anything else has to be said. */
export function faultOf(answers: Answers | null, id: string): Problem | undefined {
  const refused = refusalOf(answers, id);
  return refused?.code === "unknown_metric" ? undefined : refused;
}

export function windowsOf(answer: Answer): Windows {
  return { startMs: answer.start_ms, endMs: answer.end_ms, complete: answer.complete, zone: answer.tz };
}

const COUNTS = new Set(["count", "rate", "sum"]);

/** A figure of a group as a line of a chart; the first one has its interval, where most of that is known. */
export function lineOf(series: Series | undefined, figure: string, name: string, tone: Tone): Line {
  const [low, high] = [series?.values[`${figure}_low`], series?.values[`${figure}_high`]];
  return {
    name, tone, values: series?.values[figure] ?? [], isCount: COUNTS.has(figure),
    ...(series ? { samples: series.samples, revision: series.revision, late: series.late } : {}),
    ...(low && high && tone === 1 && areMostKnown(low, high) ? { low, high } : {}),
  };
}

/** A band that is there now and then is noise: the cursor and the table have the intervals all the same. */
function areMostKnown(low: readonly Value[], high: readonly Value[]): boolean {
  return low.filter((value, at) => value !== null && high[at] !== null).length > low.length / 2;
}

/** The series of a group in the windows that are compared with, as a ghost. */
export function ghostOf(answer: Answer, at: number, figure: string): Line[] {
  const { compare } = answer;
  const series = compare?.series[at];
  const name = compare?.shift === "previous" ? "before" : `${compare?.shift} before`;
  return series ? [{ name, tone: "ghost", values: series.values[figure] ?? [], isCount: COUNTS.has(figure) }] : [];
}

export function histogramsOf(answer: Answer): (Histogram | null)[] {
  const found = answer.series[0]?.values["histogram"] as unknown as (Histogram | null)[] | undefined;
  return found ?? answer.start_ms.map(() => null);
}

export interface Figure {
  value: Value;
  low: Value;
  high: Value;
  samples: Value;
}

export const UNKNOWN: Figure = { value: null, low: null, high: null, samples: null };

/** A figure of a group in a window: the only one of an answer of resolution `range`. */
export function figureOf(series: Series | undefined, figure: string, at = 0): Figure {
  const of = (name: string) => series?.values[name]?.[at] ?? null;
  return { value: of(figure), low: of(`${figure}_low`), high: of(`${figure}_high`), samples: series?.samples[at] ?? null };
}

/** The newest window that is complete, and what is known in it; undefined without one. */
export function latest(answer: Answer | undefined, figure: string): (Figure & { at: number }) | undefined {
  const at = answer?.complete.lastIndexOf(true) ?? -1;
  return answer?.series[0] && at >= 0 ? { ...figureOf(answer.series[0], figure, at), at } : undefined;
}

/** Samples of all groups of an answer in complete windows; null where those of one are not known. */
export function samplesOf(answer: Answer | undefined): number | null {
  const all = answer?.series.flatMap((one) => one.samples.filter((_, at) => answer.complete[at] || answer.resolution === "range")) ?? [];
  return all.includes(null) ? null : all.reduce<number>((sum, each) => sum + each!, 0);
}

/** Groups by the values of some labels, joined. */
export function byLabels(series: readonly Series[] | undefined, labels: readonly string[]): Map<string, Series> {
  return new Map((series ?? []).map((one) => [nameOf(one.labels, labels), one]));
}

/** How a group is called: its values in the order of the labels; an absent one is said. */
export function nameOf(labels: Record<string, string>, by: readonly string[]): string {
  return by.map((label) => labels[label] || `(no ${label})`).join(" · ");
}
