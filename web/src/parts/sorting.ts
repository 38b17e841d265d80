// The order of a table's rows: kept while somebody reads, new rows at the end until sorted again. Pure.

export interface Sort {
  column: string;
  isDescending: boolean;
}

export type Cell = number | string | null;

/** Keys in order of a column; what is not known is last in either direction. */
export function sorted(keys: readonly string[], cell: (key: string) => Cell, isDescending: boolean): string[] {
  const sign = isDescending ? -1 : 1;
  return [...keys].sort((a, b) => {
    const [x, y] = [cell(a), cell(b)];
    if (x === null || y === null) return x === y ? 0 : x === null ? 1 : -1;
    if (typeof x === "number" && typeof y === "number") return sign * (x - y);
    return sign * String(x).localeCompare(String(y), "en", { numeric: true });
  });
}

export interface Kept {
  order: string[];
  /** Rows that came since the order was made. */
  fresh: number;
  /** Whether the order is another than sorting would make now. */
  isStale: boolean;
}

/** The order to show while somebody reads: the one there was, without rows that are gone, new ones at its end. */
export function kept(before: readonly string[], now: readonly string[]): Kept {
  const there = new Set(now);
  const known = before.filter((key) => there.has(key));
  const old = new Set(known);
  const fresh = now.filter((key) => !old.has(key));
  const order = [...known, ...fresh];
  return { order, fresh: fresh.length, isStale: order.some((key, at) => key !== now[at]) };
}
