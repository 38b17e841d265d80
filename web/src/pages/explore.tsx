// Explore: a question of one's own. What is asked stands in the address, and beside the chart in four other languages.
import { useEffect, useMemo } from "preact/hooks";
import { type Answer, answerOf, samplesOf } from "../api/answers.ts";
import { nowMs } from "../api/client.ts";
import type { Query, Question } from "../api/query.ts";
import { count, counted } from "../format/figures.ts";
import { Answered } from "../parts/answered.tsx";
import { Choice } from "../parts/choice.tsx";
import { Empty } from "../parts/empty.tsx";
import { completedMetric } from "../parts/filter_bar.tsx";
import { shownSamples } from "../parts/freshness.tsx";
import { address, go, linkToPage } from "../state/address.ts";
import { useAsked, useQuery } from "../state/question.ts";
import { setExtra } from "../summaries/asking.ts";
import { spanOf } from "../time/ranges.ts";
import { MOST_ROWS, costOf } from "./explore/cost.ts";
import { Languages } from "./explore/languages.tsx";
import { type Form, Shown } from "./explore/shown.tsx";

interface Metric {
  readonly metric: string;
  readonly series: number;
  readonly kinds: readonly { readonly kind: string; readonly unit: string; readonly series: number }[];
}

interface Label {
  readonly label: string;
  readonly values: number;
}

const FIGURES = ["rate", "count", "sum", "avg", "min", "max", "last", "p50", "p75", "p90", "p95", "p99", "uniques"];
const RESOLUTIONS = ["auto", "10s", "1m", "5m", "15m", "1h", "1d"];
const FORMS: readonly Form[] = ["line", "bar", "heat map", "table"];

/** What a metric is asked for first: how many came of counts, the level of gauges, the 95th of durations. */
function usual(metric: Metric | undefined): string {
  const kind = metric?.kinds[0];
  if (!kind) return "count";
  if (kind.unit === "s" || kind.unit === "ms") return "p95";
  return kind.kind === "gauge" ? "avg" : "rate";
}

export default function Explore() {
  const metrics = useAsked<{ items: Metric[] }>("/v1/metrics?size=100", 30_000);
  return <Answered asked={metrics} height={480}>{({ items }) => (items.length ? <Asking metrics={items} /> : <Nothing />)}</Answered>;
}

function Nothing() {
  return <Empty title="No metric has come yet"><p>Here will be any metric, by any label. <a href={linkToPage("connect")}>Connect your app</a></p></Empty>;
}

function Asking({ metrics }: { metrics: readonly Metric[] }) {
  const { from, to, tz, where, by, compare, extra } = address.value;
  const name = extra.metric || (metrics.find(({ metric }) => metric === "api.response_seconds") ?? metrics[0]!).metric;
  const metric = metrics.find((each) => each.metric === name);
  const figure = extra.agg || usual(metric);
  const form = FORMS.find((each) => each === extra.chart) ?? (figure === "count" ? "bar" : "line");
  const resolution = extra.resolution || "auto";
  const isMap = form === "heat map";
  const query = useMemo<Query>(() => {
    const question: Question = {
      id: "q", metric: name, aggregates: isMap ? ["histogram", "p50", "p95"] : [figure], ...(where.length && { where }), ...(by.length && !isMap && { by, top: { n: 20, of: figure } }),
      ...(resolution !== "auto" && { resolution }), ...(compare && !isMap && { compare }), ...(extra.kind && { kind: extra.kind, unit: extra.unit ?? "" }),
    };
    return { from, to, tz, questions: [question] };
  }, [from, to, tz, where.join("\n"), by.join(), compare, name, figure, isMap, resolution, extra.kind, extra.unit]);
  const asked = useQuery(query);
  const labels = useAsked<{ labels: Label[] }>(`/v1/metrics/${encodeURIComponent(name)}/labels`).data?.labels ?? [];
  const answer = answerOf(asked.data, "q");
  useEffect(() => { completedMetric.value = name; }, [name]);
  useEffect(() => { shownSamples.value = answer ? samplesOf(answer) : null; }, [answer]);
  const pick = (title: string, value: string, options: readonly string[], choose: (chosen: string) => void) => (
    <label>{title} <select value={value} onChange={({ currentTarget }) => choose(currentTarget.value)}>{[...new Set([...options, value])].map((each) => <option key={each} value={each}>{each.slice(0, 80)}</option>)}</select></label>
  );
  return (
    <>
      <h1 class="answer" aria-live="polite">{sentence(answer, isMap ? "spread" : figure)}</h1>
      <form class="panel form row" onSubmit={(event) => event.preventDefault()}>
        {pick("Metric", name, metrics.map((each) => each.metric), (chosen) => go({ by: [], extra: { metric: chosen } }))}
        {!isMap && pick("Figure", figure, FIGURES, (agg) => setExtra({ agg }))}
        {!isMap && <ByPicker labels={labels} />}
        {pick("Resolution", resolution, RESOLUTIONS, (chosen) => setExtra({ resolution: chosen === "auto" ? "" : chosen }))}
        <Choice name="As" options={FORMS.map((value) => ({ value, text: value }))} chosen={form} onChoose={(chart) => setExtra({ chart })} />
        <Costs metric={metric} labels={labels} resolution={resolution} />
      </form>
      <div class="beside">
        <section class="panel">
          <Answered asked={asked} height={420}>{() => answer && <Shown answer={answer} figure={figure} form={form} question={JSON.stringify(query)} />}</Answered>
        </section>
        <Languages query={query} />
      </div>
    </>
  );
}

function sentence(answer: Answer | undefined, figure: string): string {
  if (!answer) return " ";
  const groups = answer.series.length + (answer.rest?.series ?? 0);
  const n = samplesOf(answer);
  if (n === 0) return answer.series.some(({ samples }) => samples.some(Boolean)) ? `${answer.metric} has come in windows that are still open.` : `No ${answer.metric} in this range.`;
  return `${figure} of ${answer.metric}${groups > 1 ? `, ${count(groups)} groups` : ""}: ${n === null ? "how many samples is not known" : counted(n, "sample")}, in windows of ${answer.resolution.replace(/(\d)(\D)/, "$1 $2")}.`;
}

/** Labels that it is grouped by, in their order; each can be taken away, and others added. */
function ByPicker({ labels }: { labels: readonly Label[] }) {
  const { by } = address.value;
  return (
    <div class="by">
      <span class="meta">By</span>
      {by.length > 0 && (
        <ul class="chips" aria-label="Grouped by">
          {by.map((label) => <li key={label} class="chip"><span>{label}</span><button type="button" class="plain" aria-label={`Not by ${label}`} onClick={() => go({ by: by.filter((each) => each !== label) })}>✕</button></li>)}
        </ul>
      )}
      <select aria-label={by.length ? "And by" : "By"} value="" disabled={by.length >= 8} onChange={({ currentTarget }) => go({ by: [...by, currentTarget.value] })}>
        <option value="">{by.length ? "and …" : "nothing"}</option>
        {labels.filter(({ label }) => !by.includes(label)).map(({ label, values }) => <option key={label} value={label}>{label} ({count(values)})</option>)}
      </select>
    </div>
  );
}

/** What it takes, before it is asked; by labels that are prepared it takes less. */
function Costs({ metric, labels, resolution }: { metric: Metric | undefined; labels: readonly Label[]; resolution: string }) {
  const { by, from, to, tz } = address.value;
  const span = spanOf({ from, to }, tz, nowMs());
  if (!metric || !span) return null;
  const cost = costOf(metric.series, span.toMs - span.fromMs, resolution, by.map((label) => labels.find((each) => each.label === label)?.values ?? 1));
  const groups = by.length ? `, ${cost.groups === 1 ? "one group" : `at most ${counted(cost.groups, "group")}`}` : "";
  return (
    <p class="meta cost">
      {cost.rows > MOST_ROWS && <span class="shape warn" aria-hidden="true">▲ </span>}
      {counted(cost.series, "series", "series")} × {counted(cost.windows, "window")}: at most {counted(cost.rows, "row")}{groups}.
      {cost.rows > MOST_ROWS && ` More than ${count(MOST_ROWS)} are read only by labels that are prepared: otherwise a shorter range or a filter is asked for.`}
    </p>
  );
}
