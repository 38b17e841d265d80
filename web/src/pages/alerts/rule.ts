// What a rule's expression asks for, so that the page can ask the same. Pure.

export interface Asks {
  readonly metric: string;
  /** As the query API names it. */
  readonly figure: string;
  /** Windows it is decided on. */
  readonly resolution: string;
}

/**
 * `api:response_seconds:p95_10s > 3` and `quantile_over_time(0.95, {"api.response_seconds"}[10s]) > 3` ask for p95 of
 * api.response_seconds in windows of 10 s; null where it cannot be read, or where a bare name may be that of several metrics.
 */
export function asksOf(expr: string): Asks | null {
  const found = /([a-zA-Z_]\w*(?::[a-zA-Z_]\w*)*):([a-z]+\d*)_(\d+[smh])\b/.exec(expr);
  if (found) return { metric: found[1]!.replaceAll(":", "."), figure: found[2]!, resolution: found[3]! };
  const quoted = /\{\s*"([^"\\]+)"[^{}]*\}/.exec(expr);
  return quoted && { metric: quoted[1]!, figure: figureOf(expr), resolution: "10s" };
}

/** The figure of a function over a range; the last value where there is none. */
function figureOf(expr: string): string {
  const quantile = /\bquantile_over_time\(\s*(0?\.\d+|0|1)\s*,/.exec(expr);
  if (quantile) return `p${Number((Number(quantile[1]) * 100).toFixed(1))}`;
  if (/\b(rate|increase)\(/.test(expr)) return "sum";
  return /\b(avg|min|max|sum|count|last)_over_time\(/.exec(expr)?.[1] ?? "last";
}
