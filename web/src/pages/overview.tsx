// Overview: is anything wrong now? A sentence made from the numbers, six figures, what needs somebody, and what came.
import { useMemo } from "preact/hooks";
import { type Answer, type Answers, answerOf, faultOf, ghostOf, latest, lineOf, samplesOf, windowsOf } from "../api/answers.ts";
import { nowMs } from "../api/client.ts";
import type { Query } from "../api/query.ts";
import { BarChart } from "../charts/bars.tsx";
import { PlainLine } from "../charts/plain_line.tsx";
import { Spark } from "../charts/spark.tsx";
import { NONE } from "../charts/cursor.ts";
import { useSignal } from "@preact/signals";
import { slower as slowerText } from "../format/figures.ts";
import { conditionOf } from "../api/condition.ts";
import { changed, count, duration, lasted, percent, plain } from "../format/numbers.ts";
import { Answered } from "../parts/answered.tsx";
import { completedMetric } from "../parts/filter_bar.tsx";
import { shownSamples } from "../parts/freshness.tsx";
import { Empty } from "../parts/empty.tsx";
import { ProblemNote } from "../parts/problem.tsx";
import { judged, VITALS } from "../parts/ratings.ts";
import { Stat } from "../parts/stat.tsx";
import { address, go, linkTo, linkToPage } from "../state/address.ts";
import { active, firing, ruleName, severityOf, subject, toneOf } from "../state/alerts.ts";
import { useAsked, useQuery } from "../state/question.ts";
import type { Address } from "../state/url.ts";
import { absolute } from "../time/ranges.ts";
import { type Told, verdict } from "./overview_sentence.ts";
import { useEffect } from "preact/hooks";

const API = "api.response_seconds";
const LCP = VITALS[0]!;

/** The query of the page: it is the same in every tab that shows the same address, so that one stream serves them. */
export function queryOf({ from, to, tz, where, compare }: Pick<Address, "from" | "to" | "tz" | "where" | "compare">): Query {
  const usual = { ...(where.length && { where }), ...(compare && { compare }) };
  return {
    from, to, tz,
    questions: [
      { id: "requests", metric: API, aggregates: ["rate", "count", "p95"], ...usual },
      { id: "errors", metric: API, aggregates: ["count", "rate"], ...usual, where: [...where, "status~5*"] },
      { id: "slowest", metric: API, aggregates: ["p95"], by: ["endpoint"], top: { n: 5, of: "p95" }, resolution: "1m", from: "now-15m", to: "now" },
      { id: "came", metric: "events.count", aggregates: ["count"], by: ["type"], top: { n: 8, of: "count" }, resolution: "1m", from: "now-3m", to: "now" },
      { id: "lcp", metric: LCP.metric, aggregates: ["p75"], ...usual },
      { id: "heap", metric: "memory.heap_ratio", aggregates: ["avg"], ...usual },
    ],
  };
}

export default function Overview() {
  const { from, to, tz, where, compare } = address.value;
  const query = useMemo(() => queryOf({ from, to, tz, where, compare }), [from, to, tz, where.join(), compare]);
  const asked = useQuery(query);
  // All else is asked when the first figures have come.
  const fault = faultOf(asked.data, "requests");
  const isBegun = asked.data !== null || asked.error !== null;
  const funnels = useAsked<{ funnels: { funnel: string }[] }>(isBegun ? "/v1/funnels" : null);
  useEffect(() => { completedMetric.value = API; }, []);
  useEffect(() => { if (asked.data) shownSamples.value = samplesOf(answerOf(asked.data, "requests")); }, [asked.data]);
  return (
    <>
      <Sentence answers={asked.data} />
      <div class="beside">
        <section class="panel" aria-labelledby="figures">
          <h2 id="figures" class="hidden-text">Figures</h2>
          <div class="figures"><Answered asked={asked} height={180}>{(data) => fault ? <ProblemNote problem={fault} onAgain={asked.again} /> : <Figures answers={data} funnel={funnels.data?.funnels[0]?.funnel} />}</Answered></div>
        </section>
        <NeedsYou isBegun={isBegun} />
      </div>
      <div class="beside">
        {!fault && <section class="panel"><Answered asked={asked} height={420}>{(data) => <Charts answers={data} question={JSON.stringify(query)} />}</Answered></section>}
        <LastMinute answers={asked.data} />
      </div>
    </>
  );
}

function Sentence({ answers }: { answers: Answers | null }) {
  const [slowest, requests] = [answerOf(answers, "slowest"), answerOf(answers, "requests")];
  const told: Told = verdict(answers && active.value, (slowest?.series ?? []).map((group) => ({ name: group.labels.endpoint ?? "", p95: group.values.p95 ?? [], complete: slowest!.complete, startMs: slowest!.start_ms })), nowMs(), requests && { counts: requests.series[0]?.values.count ?? [], complete: requests.complete, startMs: requests.start_ms });
  return <h1 class="answer verdict" aria-live="polite">{told.isKnown ? told.text : " "}</h1>;
}

function Figures({ answers, funnel }: { answers: Answers; funnel: string | undefined }) {
  const [requests, errors, lcp, heap] = ["requests", "errors", "lcp", "heap"].map((id) => answerOf(answers, id));
  const rate = latest(requests, "rate");
  const p95 = latest(requests, "p95");
  const failed = share(errors, requests);
  const paint = latest(lcp, "p75");
  const heapNow = latest(heap, "avg");
  const rated = judged(paint?.value ?? null, paint?.samples ?? null, 0.75, LCP.limits);
  const slow = judged(p95?.value ?? null, p95?.samples ?? null, 0.95, [1, 5]);
  const shown = (value: number | null | undefined, format: (value: number) => string) => (value === null || value === undefined ? "–" : format(value));
  const interval = (of: typeof p95, format: (value: number) => string) => (of && of.low !== null && of.high !== null ? `${format(of.low)} to ${format(of.high)}` : undefined);
  const seconds = (value: number) => duration(value * 1000);
  return (
    <div class="stats overview-stats">
      <Stat name="Requests/s" value={shown(rate?.value, plain)} n={many(rate?.samples, "request")} change={versus(requests, "rate", ["more", "fewer"])}><SparkOf answer={requests} figure="rate" /></Stat>
      <Stat name="p95" value={shown(p95?.value, seconds)} n={many(p95?.samples, "request")} interval={interval(p95, seconds)} isMuted={slow.isMuted} change={versus(requests, "p95", ["slower", "faster"])}><SparkOf answer={requests} figure="p95" /></Stat>
      <Stat name="Errors (5xx)" value={shown(failed, percent)} n={many(rate?.samples, "request")} isMuted={failed === null}><SparkOf answer={errors} figure="count" /></Stat>
      <Stat name="LCP p75" value={shown(paint?.value, duration)} n={many(paint?.samples, "load")} interval={interval(paint, duration)} rating={rated.rating} isMuted={rated.isMuted}><SparkOf answer={lcp} figure="p75" /></Stat>
      {funnel ? <FunnelStat name={funnel} /> : <Stat name="Funnel" value="–" n="no funnel" isMuted />}
      <Stat name="Browser heap" value={shown(heapNow?.value, percent)} n={many(heapNow?.samples, "sample")} isMuted={heapNow?.value === null || !heapNow}><SparkOf answer={heap} figure="avg" /></Stat>
    </div>
  );
}

function SparkOf({ answer, figure }: { answer: Answer | undefined; figure: string }) {
  const values = answer?.series[0]?.values[figure];
  return values ? <Spark values={values} complete={answer!.complete} before={answer!.compare?.series[0]?.values[figure]} /> : null;
}

function many(n: number | null | undefined, what: string): string {
  if (n === null) return "n is not known";
  return n === undefined ? "no data yet" : `${count(n)} ${what}${n === 1 ? "" : "s"}`;
}

/** The share of errors in the newest complete window; null where nothing is known or nothing came. */
function share(errors: Answer | undefined, requests: Answer | undefined): number | null {
  const [failed, all] = [latest(errors, "count"), latest(requests, "count")];
  return all?.value ? (failed?.value ?? 0) / all.value : null;
}

function versus(answer: Answer | undefined, figure: string, words: readonly [string, string]): string | undefined {
  const now = latest(answer, figure);
  const before = answer?.compare?.series[0];
  return (now && changed(now.value, before?.values[figure]?.[now.at] ?? null, words)) ?? undefined;
}

interface FunnelReport {
  readonly entries: number;
  readonly completed: number;
  readonly completion_rate: number | null;
}

function FunnelStat({ name }: { name: string }) {
  const asked = useAsked<FunnelReport>(`/v1/funnels/${encodeURIComponent(name)}`, 15_000);
  const report = asked.data;
  const isFew = !report || report.entries < 13;
  return <Stat name={`Funnel ${name.replaceAll("_", " ")}`} value={report?.completion_rate === null || !report ? "–" : percent(report.completion_rate)} n={report ? `${count(report.completed)} of ${count(report.entries)} sessions` : "no data yet"} isMuted={isFew} />;
}

function Charts({ answers, question }: { answers: Answers; question: string }) {
  const cursor = useSignal(NONE);
  const [requests, errors] = [answerOf(answers, "requests"), answerOf(answers, "errors")];
  const windows = useMemo(() => (requests ? windowsOf(requests) : null), [requests]);
  const lines = useMemo(() => (requests?.series[0] ? [lineOf(requests.series[0], "rate", "requests/s", 1), ...ghostOf(requests, 0, "rate")] : []), [requests]);
  const failed = useMemo(() => (errors?.series[0] ? [lineOf(errors.series[0], "count", "errors", 2)] : []), [errors]);
  if (!windows || !lines.length)
    return (
      <Empty title="No request has been measured yet">
        <p>Here will be requests per second and errors, as soon as a server or a browser posts <code>{API}</code>.</p>
        <p><a href={linkToPage("connect")}>Connect your app</a></p>
      </Empty>
    );
  const range = (fromMs: number, toMs: number) => go(absolute(fromMs, toMs, address.peek().tz));
  const now = latest(requests, "rate");
  return (
    <>
      <PlainLine title="Requests/s" name={`Requests per second${now && now.value !== null ? `, ${plain(now.value)} now` : ""}`} question={question} windows={windows} lines={lines} format={plain} height={220} cursor={cursor} onRange={range} />
      {failed.length > 0 && <BarChart title="Errors (5xx)" name="Errors by window" windows={windows} lines={failed} format={count} height={96} cursor={cursor} onRange={range} />}
    </>
  );
}

function NeedsYou({ isBegun }: { isBegun: boolean }) {
  const alerts = [...firing.value].sort((a, b) => severityOf(a) - severityOf(b) || (a.fired_at_ms ?? 0) - (b.fired_at_ms ?? 0));
  const stopped = useAsked<{ services: Record<string, { partitions_stopped?: number; status: string }> }>(isBegun ? "/api/analytics/system/health" : null, 15_000);
  const halted = Object.entries(stopped.data?.services ?? {}).filter(([, service]) => service.status !== "ok");
  const insights = useAsked<{ insights: readonly Insight[] }>(isBegun ? "/api/v1/analytics/insights" : null, 60_000);
  const slower = (insights.data?.insights ?? []).filter(({ kind }) => kind === "regression").slice(0, 3);
  const isQuiet = alerts.length + halted.length + slower.length === 0;
  return (
    <section class="panel needs-panel" aria-labelledby="needs">
      <h2 id="needs">Needs you</h2>
      {active.value === null && <p class="muted">Asking …</p>}
      {active.value !== null && isQuiet && <p class="muted">Nothing fires, and no endpoint became slower than last week.</p>}
      <ul class="needs">
        {alerts.slice(0, 8).map((alert) => (
          <li key={alert.alert_id}>
            <a href={linkTo({ page: "alerts", item: alert.alert_id, by: [], sel: "", extra: {} })}>
              <span class={`shape ${toneOf(alert)}`} aria-hidden="true">{toneOf(alert) === "bad" ? "■" : "▲"}</span>
              <span><strong>{ruleName(alert)}</strong> {subject(alert)}</span>
              <span class="meta">{lasted(nowMs() - (alert.fired_at_ms ?? alert.active_at_ms))}</span>
            </a>
          </li>
        ))}
        {slower.map(({ endpoint, ratio = 1 }) => (
          <li key={endpoint}><a href={linkTo({ page: "latency", item: "", from: "now-24h", to: "now", where: [conditionOf("endpoint", endpoint ?? "")], by: [], compare: "7d", sel: "", extra: {} })}>
            <span class="shape warn" aria-hidden="true">▲</span><span>p95 of <strong>{endpoint}</strong> {slowerText(ratio, 1)}, against last week</span><span class="meta">24 h</span>
          </a></li>
        ))}
        {halted.map(([name, { status }]) => <li key={name}><a href={linkToPage("pipeline")}><span class="shape warn" aria-hidden="true">▲</span><span>the service {name} is {status}</span></a></li>)}
      </ul>
      {alerts.length > 8 && <p><a href={linkToPage("alerts")}>{alerts.length - 8} more</a></p>}
    </section>
  );
}

/** Of `/api/v1/analytics/insights`: a route that became slower, beyond what chance does. */
interface Insight {
  readonly kind: string;
  readonly endpoint?: string;
  readonly ratio?: number;
}

interface Account {
  readonly received: number;
  readonly derived: number;
  readonly counted: number;
  readonly rejected: Record<string, number>;
}

function LastMinute({ answers }: { answers: Answers | null }) {
  const points = useAsked<{ minutes: ({ minute_ms: number } & Account)[] }>(answers && "/v1/ledger", 5_000);
  const minute = points.data?.minutes.at(-1);
  const refused = Object.values(minute?.rejected ?? {}).reduce((sum, n) => sum + n, 0);
  const came = answerOf(answers, "came");
  const at = came?.complete.lastIndexOf(true) ?? -1;
  const events = (came?.series ?? []).map((group) => ({ type: group.labels.type ?? "", n: group.values.count?.[at] ?? 0 })).filter(({ n }) => n > 0);
  return (
    <section class="panel" aria-labelledby="came">
      <h2 id="came">What came in the last minute</h2>
      <p class="muted told">{points.data && (minute ? `${count(minute.received)} rows of points received, ${count(minute.derived)} made of events${refused ? `, ${count(refused)} refused` : ", none refused"}.` : "Nothing came in the last hour.")} {refused > 0 && <a href={linkToPage("connect")}>Why?</a>}</p>
      <table>
        <caption class="hidden-text">Events by type in the newest complete minute</caption>
        <thead><tr><th scope="col">event</th><th scope="col">count</th></tr></thead>
        <tbody>{events.map(({ type, n }) => <tr key={type}><th scope="row" class="words">{type || "(no type)"}</th><td class="number">{count(n)}</td></tr>)}</tbody>
      </table>
      {answers && events.length === 0 && <p class="muted">No event in that minute.</p>}
    </section>
  );
}
