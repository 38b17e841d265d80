// A question of the page in other languages: curl, PromQL, SQL, Python. Pure; what a language cannot say is said.
import type { Query, Question } from "../../api/query.ts";

/** Words of a shell in single quotes. */
function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

export function curlOf(query: Query, origin: string): string {
  return `curl -sG ${quoted(`${origin}/v1/query`)} -H "X-API-Key: $TIDEGAUGE_READ_KEY" \\\n  --data-urlencode ${quoted(`q=${JSON.stringify(query)}`)}`;
}

export function pythonOf(query: Query, origin: string): string {
  return [
    "import os", "import httpx", "", "answer = httpx.post(", `    ${JSON.stringify(`${origin}/v1/query`)},`,
    '    headers={"X-API-Key": os.environ["TIDEGAUGE_READ_KEY"]},', `    json=${pythonLiteral(query)},`, ")", "answer.raise_for_status()",
    'for series in answer.json()["results"][0]["series"]:', '    print(series["labels"], series["values"])',
  ].join("\n");
}

/** JSON as Python writes it: only its three words differ. */
function pythonLiteral(value: unknown): string {
  if (value === null || value === undefined) return "None";
  if (typeof value === "boolean") return value ? "True" : "False";
  if (Array.isArray(value)) return `[${value.map(pythonLiteral).join(", ")}]`;
  if (typeof value === "object") return `{${Object.entries(value).filter(([, each]) => each !== undefined).map(([name, each]) => `${JSON.stringify(name)}: ${pythonLiteral(each)}`).join(", ")}}`;
  return JSON.stringify(value);
}

interface Condition {
  readonly label: string;
  readonly sign: string;
  readonly value: string;
}

/** The parts of a condition; null for `in(…)`, which has its own form. */
export function conditionOf(text: string): Condition | null {
  const found = /^([^=!~\s"]+|"(?:[^"\\]|\\.)*")(=|!=|~|!~)(.*)$/s.exec(text);
  if (!found) return null;
  const plain = (word: string) => (word.startsWith('"') && word.endsWith('"') && word.length > 1 ? word.slice(1, -1).replace(/\\(.)/g, "$1") : word);
  return { label: plain(found[1]!), sign: found[2]!, value: plain(found[3]!) };
}

/** A glob as a regular expression. */
function regexOf(glob: string): string {
  return glob.replace(/[.+^${}()|[\]\\]/g, "\\$&").replaceAll("*", ".*").replaceAll("?", ".");
}

const QUANTILE = /^p(\d{1,2}(?:\.\d+)?)$/;

/** The question as PromQL; a sentence in a comment where it has no such form. */
export function promqlOf({ metric, aggregates, where = [], by = [] }: Question): string {
  const aggregate = aggregates[0] ?? "count";
  const conditions = where.map(conditionOf);
  if (conditions.includes(null)) return "# a condition with in(…) is written as a regular expression in PromQL";
  const matchers = conditions.map((one) => (one!.sign.endsWith("~") ? `${one!.label}${one!.sign === "~" ? "=~" : "!~"}${JSON.stringify(regexOf(one!.value))}` : `${one!.label}${one!.sign}${JSON.stringify(one!.value)}`));
  const name = metric.replace(/[^a-zA-Z0-9_:]/g, "_");
  const select = (suffix: string) => `${name}${suffix}${matchers.length ? `{${matchers.join(",")}}` : ""}`;
  const grouped = by.length ? ` by (${by.join(", ")})` : "";
  const quantile = QUANTILE.exec(aggregate);
  if (quantile) return `histogram_quantile(${Number(quantile[1]) / 100}, sum by (${["le", ...by].join(", ")}) (rate(${select("_bucket")}[5m])))`;
  switch (aggregate) {
    case "rate":
      return `sum${grouped} (rate(${select("_count")}[5m]))`;
    case "count":
      return `sum${grouped} (increase(${select("_count")}[5m]))`;
    case "sum":
      return `sum${grouped} (increase(${select("_sum")}[5m]))`;
    case "avg":
      return `sum${grouped} (increase(${select("_sum")}[5m])) / sum${grouped} (increase(${select("_count")}[5m]))`;
    case "min":
    case "max":
      return `${aggregate}${grouped} (${aggregate}_over_time(${select("")}[5m]))`;
    case "last":
      return `sum${grouped} (${select("")})`;
    default:
      return `# ${aggregate} has no form in PromQL`;
  }
}

/** The question as SQL for a reader of one tenant; minutes are the resolution. */
export function sqlOf({ metric, aggregates, where = [], by = [] }: Question): string {
  const aggregate = aggregates[0] ?? "count";
  const text = (value: string) => `'${value.replaceAll("'", "''")}'`;
  const column = (label: string) => `labels->>${text(label)}`;
  const quantile = QUANTILE.exec(aggregate);
  const figures: Record<string, string> = {
    count: "sum(count)", rate: "sum(count) / 60", sum: "sum(sum)", avg: "sum(sum) / nullif(sum(count), 0)", min: "min(min)", max: "max(max)",
    uniques: "uniques(distinct_sketch)",
  };
  const figure = quantile ? `sketch_quantile(sketch_merge(sketch), ${Number(quantile[1]) / 100}, min(min), max(max))` : figures[aggregate];
  if (!figure) return `-- ${aggregate} has no short form in SQL: docs/QUERIES.md`;
  const conditions = where.map(conditionOf).map((one) => {
    if (!one) return null;
    const value = `coalesce(${column(one.label)}, '')`;
    if (one.sign === "=" || one.sign === "!=") return `${value} ${one.sign === "=" ? "=" : "<>"} ${text(one.value)}`;
    return `${value} ${one.sign === "~" ? "" : "NOT "}LIKE ${text(one.value.replace(/[\\%_]/g, "\\$&").replaceAll("*", "%").replaceAll("?", "_"))}`;
  });
  if (conditions.includes(null)) return "-- a condition with in(…) is written as label = ANY (…)";
  const groups = by.map((label) => `${column(label)} AS ${JSON.stringify(label)}`);
  return [
    `SELECT time, ${[...groups, `${figure} AS ${JSON.stringify(aggregate)}`, "sum(samples) AS samples"].join(", ")}`, "FROM window_1m",
    `WHERE ${[`metric = ${text(metric)}`, "time >= now() - interval '1 hour'", ...conditions].join("\n  AND ")}`,
    `GROUP BY time${by.length ? `, ${by.map((_, at) => at + 2).join(", ")}` : ""} ORDER BY time`,
  ].join("\n");
}
