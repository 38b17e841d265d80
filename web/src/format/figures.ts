// Figures as sentences have them: a metric's value in its unit, how many of what, a share, a change. Pure.
import { count, duration, formatOf, percent as exact, plain } from "./numbers.ts";

export { count };

/** A time of seconds. */
export function seconds(value: number): string {
  return duration(value * 1000);
}

/** A value in a metric's unit. A ratio stays a number: the limits of layout shift are 0.1 and 0.25, and no per cent. */
export function figure(value: number, unit: string): string {
  return unit === "1" ? plain(value) : formatOf(unit)(value);
}

/** "1 load", "4,812 loads". */
export function counted(value: number, one: string, many = `${one}s`): string {
  return `${count(value)} ${value === 1 ? one : many}`;
}

/** A share of 0 to 1. A few are never shown as none, nor nearly all as all. */
export function percent(share: number): string {
  if (share > 0 && share < 0.0001) return "< 0.01 %";
  return share < 1 && share >= 0.995 ? "> 99 %" : exact(share);
}

/** How many samples a figure is made of; older rows do not know. */
export function sampled(samples: number | null, one: string, many = `${one}s`): string {
  return samples === null ? `how many ${many} is not known` : counted(samples, one, many);
}

/** How much slower or quicker than before, in words; empty where nothing can be said. */
export function slower(now: number | null, before: number | null): string {
  if (now === null || before === null || !(before > 0)) return "";
  const ratio = now / before - 1;
  if (Math.abs(ratio) < 0.005) return "as before";
  return ratio >= 1 ? `${plain(now / before)} times as slow` : `${Math.round(Math.abs(ratio) * 100)} % ${ratio > 0 ? "slower" : "quicker"}`;
}
