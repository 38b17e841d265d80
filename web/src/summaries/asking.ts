// What analysis pages ask of the address: the range and the filter for each question, how often to ask again, and a brush.
import { nowMs } from "../api/client.ts";
import { conditionOf } from "../api/condition.ts";
import { type Question, queryPath } from "../api/query.ts";
import { useEffect } from "preact/hooks";
import { type Followed, VIEW, noteAnswer } from "../api/live.ts";
import { shownSamples } from "../parts/freshness.tsx";
import { address, go } from "../state/address.ts";
import { type Asked, useLive } from "../state/question.ts";
import type { Address } from "../state/url.ts";
import { timeLabel } from "../charts/ticks.ts";
import { type Answers, answerOf, samplesOf } from "../api/answers.ts";
import { absolute, isMoving, spanOf } from "../time/ranges.ts";

type Asking = Omit<Question, "where"> & { where?: readonly string[] };

/** The path of questions about the range of the address, each with its filter and its own conditions. */
export function pathOf({ from, to, tz, where }: Address, questions: readonly Asking[]): string {
  return queryPath({ from, to, tz, questions: questions.map((one) => ({ ...one, where: [...where, ...(one.where ?? [])] })) });
}

/** A range that ends now follows the stream that analysis pages share: the longer it is, the less a second changes of it. */
export function followed(of: Address): Followed | null {
  const span = isMoving(of) ? spanOf(of, of.tz, nowMs()) : null;
  return span && { stream: VIEW, leastMs: Math.min(10_000, Math.max(1000, Math.round((span.toMs - span.fromMs) / 720_000) * 1000)) };
}

/** Asks the questions of a page; the frame says how fresh the answer is, and how many samples one of them has. */
export function useAnswers(of: Address, questions: readonly Asking[], main: string): Asked<Answers> {
  const asked = useLive<Answers>(pathOf(of, questions), followed(of));
  useEffect(() => {
    if (!asked.data) return;
    if (isMoving(of)) noteAnswer(asked.data);
    shownSamples.value = samplesOf(answerOf(asked.data, main));
  }, [asked.data]);
  return asked;
}

const LADDER = ["10s", "30s", "1m", "5m", "15m", "1h", "6h", "1d", "1w"];
const LENGTH_MS = [10, 30, 60, 300, 900, 3600, 21_600, 86_400, 604_800].map((s) => s * 1000);

/** The finest resolution that has few windows in the range, for a spark. Rows of 10 s are kept for 6 hours, of a minute for 14 days. */
export function coarse(of: Address, most = 30): string {
  const now = nowMs();
  const span = spanOf(of, of.tz, now);
  if (!span) return "auto";
  const finest = now - span.fromMs > 13 * LENGTH_MS[7]! ? 4 : now - span.fromMs > 5 * LENGTH_MS[5]! ? 2 : 0;
  const at = LENGTH_MS.findIndex((length, index) => index >= finest && (span.toMs - span.fromMs) / length <= most);
  return LADDER[at] ?? "1w";
}

/** A brush on a time chart is the range of the page; Back undoes it. */
export function setRange(fromMs: number, toMs: number): void {
  go(absolute(fromMs, Math.min(toMs, nowMs()), address.peek().tz));
}

/** Sets what the page itself remembers; an empty value is forgotten. */
export function setExtra(change: Record<string, string>): void {
  go({ extra: { ...address.peek().extra, ...change } });
}

/** Adds a condition to the filter, as a label that is clicked does. */
export function addFilter(label: string, value: string, isExcluded = false): void {
  const condition = conditionOf(label, value, isExcluded);
  const { where } = address.peek();
  if (!where.includes(condition)) go({ where: [...where, condition] });
}

/** An instant of the range as a clock shows it, with its day where that is not today's. */
export function clock(ms: number): string {
  const { tz } = address.peek();
  const isToday = nowMs() - ms < 12 * 3_600_000;
  return isToday ? timeLabel(ms + 1, tz, 60_000) : `${timeLabel(ms, tz, 86_400_000)} ${timeLabel(ms + 1, tz, 60_000)}`;
}
