// What charts are drawn from: the windows of an answer, and lines in them. Times are milliseconds UTC.
import type { Value } from "./incomplete.ts";

export interface Windows {
  startMs: readonly number[];
  endMs: readonly number[];
  complete: readonly boolean[];
  zone: string;
}

/** A series colour, the grey of the rest, or the dashed grey of what is compared with. */
export type Tone = 1 | 2 | 3 | 4 | 5 | "rest" | "ghost";

export interface Line {
  name: string;
  tone: Tone;
  values: readonly Value[];
  samples?: readonly Value[];
  /** Ends of the interval that holds the true value with 95 % certainty. */
  low?: readonly Value[];
  high?: readonly Value[];
  revision?: readonly number[];
  late?: readonly number[];
  isCount?: boolean;
}

/** A level that is drawn across, such as the limit of a rating. */
export interface Limit {
  value: number;
  name: string;
}

export type Format = (value: number) => string;

/** The name of the token of a tone. */
export function toneToken(tone: Tone): string {
  return typeof tone === "number" ? `series-${tone}` : tone === "rest" ? "quiet" : "muted";
}
