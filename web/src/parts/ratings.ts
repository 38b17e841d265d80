// The official limits of web vitals, and what a quantile of few samples may say. Pure.
// Source of the limits: web.dev/articles/vitals; milliseconds, CLS without a unit.

export type Rating = "good" | "needs improvement" | "poor";

export interface Vital {
  metric: string;
  name: string;
  /** Good up to the first, poor above the second. */
  limits: readonly [number, number];
  unit: string;
}

export const VITALS: readonly Vital[] = [
  { metric: "web_vital.lcp", name: "LCP", limits: [2500, 4000], unit: "ms" },
  { metric: "web_vital.inp", name: "INP", limits: [200, 500], unit: "ms" },
  { metric: "web_vital.cls", name: "CLS", limits: [0.1, 0.25], unit: "1" },
  { metric: "web_vital.fcp", name: "FCP", limits: [1800, 3000], unit: "ms" },
  { metric: "web_vital.ttfb", name: "TTFB", limits: [800, 1800], unit: "ms" },
];

/** First Input Delay, which old libraries alone send: in the detail only. */
export const FID: Vital = { metric: "web_vital.fid", name: "FID", limits: [100, 300], unit: "ms" };

export const RATINGS: readonly { rating: Rating; shape: string; tone: "quiet" | "warn" | "bad"; label: string }[] = [
  { rating: "good", shape: "●", tone: "quiet", label: "good" },
  { rating: "needs improvement", shape: "▲", tone: "warn", label: "needs-improvement" },
  { rating: "poor", shape: "■", tone: "bad", label: "poor" },
];

export function ratingOf(value: number, [good, poor]: readonly [number, number]): Rating {
  return value <= good ? "good" : value <= poor ? "needs improvement" : "poor";
}

/** How many samples an upper bound of a quantile (0 to 1) needs at 95 %: the smallest n with q^n at most 0.025. */
export function enough(q: number): number {
  return Math.ceil(Math.log(0.025) / Math.log(q));
}

/** The quantile of a name such as p99.9, 0 to 1. */
export function quantileOf(name: string): number {
  return Number(name.slice(1)) / 100;
}

export interface Judged {
  /** Absent: too few samples, or nothing known. */
  rating?: Rating;
  isMuted: boolean;
}

/** A quantile is rated only where enough samples came. */
export function judged(value: number | null, samples: number | null, q: number, limits: readonly [number, number]): Judged {
  if (value === null || samples === null || samples < enough(q)) return { isMuted: true };
  return { rating: ratingOf(value, limits), isMuted: false };
}
