// What of a series is drawn solid, what dashed, and what not at all. Pure.
// A window is complete when it has closed everywhere; unknown is a gap, and nothing is 0 but a count that is known.

export type Value = number | null;

export interface Split {
  /** Complete windows; null elsewhere. */
  solid: Value[];
  /** Open windows, from the last complete one on so that the line goes on; null elsewhere. */
  open: Value[];
  /** Index of the newest open value, which gets a hollow point; -1 without one. */
  hollow: number;
}

/** The values that may be drawn: a zero without samples only where the window is complete and zero means "none came". */
export function shown(values: readonly Value[], complete: readonly boolean[], samples?: readonly Value[], isCount = false): Value[] {
  return values.map((value, at) => {
    if (value === null || value === undefined || !Number.isFinite(value)) return null;
    const nothingCame = samples ? !samples[at] : isCount;
    return value === 0 && nothingCame && !(complete[at] && isCount) ? null : value;
  });
}

/** Solid up to the last complete window, dashed beyond. */
export function split(values: readonly Value[], complete: readonly boolean[]): Split {
  const firstOpen = complete.indexOf(false);
  const edge = firstOpen === -1 ? values.length : firstOpen;
  const solid = values.map((value, at) => (at < edge ? value : null));
  const open = values.map((value, at) => (at >= edge ? value : null));
  let hollow = open.length - 1;
  while (hollow >= 0 && open[hollow] === null) hollow--;
  // The dashed line begins where the solid one ends; across a gap there is nothing to join.
  if (edge > 0 && edge < values.length && values[edge - 1] !== null) open[edge - 1] = values[edge - 1] ?? null;
  return { solid, open, hollow };
}

/** The newest complete value and its index; undefined without one. */
export function newest(values: readonly Value[], complete: readonly boolean[]): { at: number; value: number } | undefined {
  for (let at = values.length - 1; at >= 0; at--) {
    const value = values[at];
    if (complete[at] && value !== null && value !== undefined) return { at, value };
  }
  return undefined;
}
