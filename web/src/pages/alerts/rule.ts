// What a rule's expression asks for, so that the page can ask the same. Pure.

export interface Asks {
  readonly metric: string;
  /** As the query API names it. */
  readonly figure: string;
  /** Windows it is decided on. */
  readonly resolution: string;
}

const NUMBER = String.raw`[-+]?[\d.]+(?:e[-+]?\d+)?`;
const SIDE = String.raw`(?:>=|<=|==|!=|>|<)`;
const QUOTED = new RegExp(
  String.raw`^\s*(?:${NUMBER}\s*${SIDE}\s*)?` +
    String.raw`(?:(?<call>[a-z_]+)\(\s*(?:(?<quantile>0?\.\d+|0|1)\s*,\s*)?)?` +
    String.raw`\{\s*"(?<metric>[^"\\]+)"[^{}]*\}(?:\[\w+\])?\s*\)?` +
    String.raw`(?:\s*${SIDE}\s*${NUMBER})?\s*$`,
);
const FIGURES: Readonly<Record<string, string>> = {
  rate: "sum",
  increase: "sum",
  avg_over_time: "avg",
  min_over_time: "min",
  max_over_time: "max",
  sum_over_time: "sum",
  count_over_time: "count",
  last_over_time: "last",
};

/**
 * `api:response_seconds:p95_10s > 3` and `quantile_over_time(0.95, {"api.response_seconds"}[10s]) > 3` ask for p95 of
 * api.response_seconds in windows of 10 s. Null where it cannot be read, where a bare name may be that of several metrics,
 * and where something is computed of the figure, since the limit is then not one of it.
 */
export function asksOf(expr: string): Asks | null {
  const found = /^\s*([a-zA-Z_]\w*(?::[a-zA-Z_]\w*)*):([a-z]+\d*)_(\d+[smh])\b/.exec(expr);
  if (found) return { metric: found[1]!.replaceAll(":", "."), figure: found[2]!, resolution: found[3]! };
  const { call, quantile, metric } = QUOTED.exec(expr)?.groups ?? {};
  if (!metric) return null;
  const figure = quantile ? `p${Number((Number(quantile) * 100).toFixed(1))}` : call ? FIGURES[call] : "last";
  return figure ? { metric, figure, resolution: "10s" } : null;
}
