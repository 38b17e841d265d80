// Web vitals by page: which page hurts most people, and the sentence that says so. Pure.
import { counted, figure, percent, sampled } from "../format/figures.ts";
import { type Vital, RATINGS, judged, quantileOf } from "../parts/ratings.ts";
import { type Answer, type Figure, type Series, UNKNOWN, byLabels, figureOf } from "../api/answers.ts";

export interface Shares {
  good: number;
  needs: number;
  poor: number;
}

/** Loads by rating, of series by the label `rating`. */
export function shares(series: readonly Series[]): Shares {
  const of = (label: string) => series.filter((one) => one.labels["rating"] === label).reduce((sum, one) => sum + (figureOf(one, "count").value ?? 0), 0);
  const [good, needs, poor] = RATINGS.map((rating) => of(rating.label));
  return { good: good!, needs: needs!, poor: poor! };
}

export interface PageRow {
  page: string;
  loads: number;
  /** By name of the vital. */
  figures: Record<string, Figure>;
  /** Loads whose chosen vital was not good: everybody can count them again. */
  notGood: number;
}

/** A row a page, of answers of resolution `range` by page: each vital's quantile, and loads by page and rating. */
export function pageRows(vitals: readonly { name: string; answer: Answer | undefined }[], chosen: string, rated: Answer | undefined, aggregate: string): PageRow[] {
  const found = new Map(vitals.map(({ name, answer }) => [name, byLabels(answer?.series, ["page"])]));
  const pages = new Set([...found.values()].flatMap((groups) => [...groups.keys()]));
  return [...pages].map((page) => {
    const figures = Object.fromEntries([...found].map(([name, groups]) => [name, groups.has(page) ? figureOf(groups.get(page), aggregate) : UNKNOWN]));
    const parts = shares((rated?.series ?? []).filter((one) => (one.labels["page"] || "(no page)") === page));
    const loads = figureOf(found.get(chosen)?.get(page), "count").value ?? 0;
    return { page, loads, figures, notGood: parts.needs + parts.poor };
  });
}

/** A quantile as it may be shown: with too few samples only what it lies above. */
export function quantileText(one: Figure, unit: string, aggregate: string, limits: readonly [number, number]): string {
  if (one.value === null) return "–";
  const { isMuted } = judged(one.value, one.samples, quantileOf(aggregate), limits);
  return isMuted && one.samples !== null ? `≥ ${figure(one.low ?? one.value, unit)}` : figure(one.value, unit);
}

/** Low to high, as far as they are known. */
export function intervalText({ low, high }: Figure, unit: string): string {
  if (low === null && high === null) return "";
  if (high === null) return `above ${figure(low!, unit)}`;
  if (low === null) return `below ${figure(high, unit)}`;
  return `${figure(low, unit)} to ${figure(high, unit)}`;
}

/** The answer in one sentence. */
export function sentence(vital: Vital, aggregate: string, all: Figure, rows: readonly PageRow[]): string {
  const { value, samples, low } = all;
  if (value === null) return `No loads with ${vital.name} in this range.`;
  const { rating, isMuted } = judged(value, samples, quantileOf(aggregate), vital.limits);
  const text = figure(value, vital.unit);
  if (samples === null) return `${vital.name} ${aggregate} is ${text}; ${sampled(null, "load")}, so it is not rated.`;
  if (isMuted) return `${counted(samples, "load is", "loads are")} too few for a ${aggregate}. It lies above ${figure(low ?? value, vital.unit)}.`;
  const whole = `${vital.name} ${aggregate} is ${text} over ${counted(samples, "load")}, ${rating}`;
  const worst = [...rows].sort((a, b) => b.notGood - a.notGood)[0];
  if (!worst?.notGood) return `${whole}: no load of any page was worse than good.`;
  const total = rows.reduce((sum, row) => sum + row.notGood, 0);
  const hurt = `${worst.page} hurts most people: ${counted(worst.notGood, "load")} of ${counted(worst.loads, "was", "were")} not good (${percent(worst.notGood / total)} of all that were not).`;
  return `${whole}. ${hurt}`;
}
