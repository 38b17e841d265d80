// What a question costs, before it is asked: rows that would be read, by what the catalogue says. Pure. Times are ms.

/** Rows that one question may read; docs/API.md. */
export const MOST_ROWS = 1_000_000;

/** Rows are kept in windows of these; a question reads the longest that fit into its own. */
const TIERS = [900_000, 60_000, 10_000];
const UNITS: Record<string, number> = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000, w: 604_800_000 };

export interface Cost {
  /** At most: a filter reads fewer. */
  rows: number;
  series: number;
  windows: number;
  /** Groups at most; 1 without labels. */
  groups: number;
}

/** Of series in a range; `values` says of each label that it is grouped by how many values it has. */
export function costOf(series: number, spanMs: number, resolution: string, values: readonly number[]): Cost {
  const found = /^(\d+)([smhdw])$/.exec(resolution);
  const each = found ? Number(found[1]) * UNITS[found[2]!]! : spanMs / 240;
  const tier = TIERS.find((one) => each >= one) ?? 10_000;
  const windows = Math.ceil(spanMs / tier);
  return { rows: series * windows, series, windows, groups: Math.min(series, values.reduce((all, one) => all * Math.max(1, one), 1)) };
}
