// Where a value and the ends of its interval lie on a ruler of three zones: good, needs improvement, poor. Pure.
// The zones are as wide as they are, up to the end of the ruler; what lies beyond it is at its end.

export interface Zones {
  /** Positions between 0 and 1. */
  good: number;
  poor: number;
  value: number | null;
  low: number | null;
  high: number | null;
  /** Whether the value is beyond the ruler. */
  isBeyond: boolean;
}

export function zones(limits: readonly [number, number], value: number | null, low: number | null, high: number | null): Zones {
  const [good, poor] = limits;
  const end = poor + (poor - good);
  const at = (of: number | null) => (of === null ? null : Math.min(1, Math.max(0, of / end)));
  return { good: good / end, poor: poor / end, value: at(value), low: at(low), high: at(high), isBeyond: value !== null && value > end };
}
