// Where an axis has its ticks, and how far it reaches. Pure. Times are milliseconds UTC; days are those of a zone.
import { wallOf } from "../time/instants.ts";

export interface Reach {
  low: number;
  high: number;
}

const ROUND = [1, 2, 2.5, 5, 10];

/** The roundest step with at most `most` ticks in a span. */
export function step(span: number, most: number): number {
  const rough = span / Math.max(1, most);
  const power = 10 ** Math.floor(Math.log10(rough));
  return power * (ROUND.find((round) => round * power >= rough * (1 - 1e-9)) ?? 10);
}

/** Round ticks within a reach. */
export function linear({ low, high }: Reach, most = 5): number[] {
  if (!(high > low)) return [low];
  const each = step(high - low, most);
  const first = Math.ceil(low / each - 1e-9);
  const count = Math.floor(high / each + 1e-9) - first + 1;
  return Array.from({ length: count }, (_, at) => Number(((first + at) * each).toPrecision(12)));
}

/** Powers of ten within a reach, with 2 and 5 between them where there is room. */
export function logarithmic({ low, high }: Reach, most = 6): number[] {
  const powers: number[] = [];
  for (let power = Math.floor(Math.log10(low)); power <= Math.ceil(Math.log10(high)); power++) powers.push(power);
  const of = (digits: number[]) =>
    powers.flatMap((power) => digits.map((digit) => Number((digit * 10 ** power).toPrecision(3)))).filter((at) => at >= low && at <= high);
  const choices = [of([1, 2, 5]), of([1, 3]), of([1])];
  return choices.find((ticks) => ticks.length <= most) ?? choices[2]!;
}

/** A reach that holds the values, from 0 on unless told otherwise, with some room above. */
export function reach(values: Iterable<number | null | undefined>, fromZero = true): Reach {
  let low = fromZero ? 0 : Infinity;
  let high = fromZero ? 0 : -Infinity;
  for (const value of values) {
    if (value === null || value === undefined || !Number.isFinite(value)) continue;
    low = Math.min(low, value);
    high = Math.max(high, value);
  }
  if (low > high) return { low: 0, high: 1 };
  if (low === high) return fromZero ? { low, high: low + 1 } : { low: low - 0.5, high: high + 0.5 };
  const each = step(high - low, 5);
  return { low: Math.floor(low / each + 1e-9) * each, high: Number((Math.ceil((high + (high - low) * 0.02) / each - 1e-9) * each).toPrecision(12)) };
}

/** An axis that grows at once and never shrinks while the question is the same. */
export function grown(before: Reach | undefined, now: Reach): Reach {
  return before ? { low: Math.min(before.low, now.low), high: Math.max(before.high, now.high) } : now;
}

const SECOND = 1000;
const HOUR = 3600 * SECOND;
const DAY = 24 * HOUR;
const STEPS = [1, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800].map((s) => s * SECOND)
  .concat([1, 2, 3, 6, 12].map((h) => h * HOUR), [1, 2, 7, 14, 28, 91].map((d) => d * DAY));

/** How far the wall clock of a zone is ahead of UTC at an instant, in milliseconds. */
export function offset(ms: number, zone: string): number {
  const { year, month, day, hour, minute, second } = wallOf(ms, zone);
  return Date.UTC(year, month - 1, day, hour, minute, second) - Math.floor(ms / SECOND) * SECOND;
}

/** The distance of ticks: the shortest round one of which at most `most` fit. */
export function timeStep({ low, high }: Reach, most = 8): number {
  return STEPS.find((length) => (high - low) / length <= most) ?? STEPS.at(-1)!;
}

/** Instants at round times of the wall clock; each is within the reach, and days stay at midnight across a change of clocks. */
export function times({ low, high }: Reach, zone: string, most = 8): number[] {
  const each = timeStep({ low, high }, most);
  const found: number[] = [];
  for (let wall = Math.ceil((low + offset(low, zone)) / each) * each; found.length <= 4 * most; wall += each) {
    const about = wall - offset(wall, zone);
    const at = wall - offset(about, zone);
    if (at > high) break;
    if (at >= low && at !== found.at(-1)) found.push(at);
  }
  return found;
}

/** How a tick of time is written: the day at midnight, seconds only where ticks are that close. */
export function timeLabel(ms: number, zone: string, each: number): string {
  const isMidnight = (ms + offset(ms, zone)) % DAY === 0;
  const options: Intl.DateTimeFormatOptions = isMidnight || each >= DAY
    ? { day: "numeric", month: "short" }
    : { hour: "2-digit", minute: "2-digit", hourCycle: "h23", ...(each < 60 * SECOND ? { second: "2-digit" } : {}) };
  return new Intl.DateTimeFormat("en-GB", { timeZone: zone, ...options }).format(ms);
}
