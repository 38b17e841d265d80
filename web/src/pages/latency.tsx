// API latency: what is slow, since when, for whom?
import { useSignal } from "@preact/signals";
import { BarChart } from "../charts/bars.tsx";
import { NONE, type Cursor } from "../charts/cursor.ts";
import { HeatMap } from "../charts/heat.tsx";
import { count, counted, figure, percent, sampled, slower } from "../format/figures.ts";
import { plain } from "../format/numbers.ts";
import { Answered } from "../parts/answered.tsx";
import { Choice } from "../parts/choice.tsx";
import { type Column, DataTable } from "../parts/data_table.tsx";
import { Empty } from "../parts/empty.tsx";
import { ProblemNote } from "../parts/problem.tsx";
import { enough } from "../parts/ratings.ts";
import { Stat } from "../parts/stat.tsx";
import { nowMs } from "../api/client.ts";
import { address, go, linkToPage } from "../state/address.ts";
import { type Answer, type Answers, type Figure, answerOf, faultOf, figureOf, histogramsOf, lineOf, refusalOf, windowsOf } from "../api/answers.ts";
import { addFilter, clock, setRange, useAnswers } from "../summaries/asking.ts";
import { type RouteRow, areaOf, areaText, highest, isSlower, routeRows, sentence, since } from "../summaries/latency.ts";
import { intervalText } from "../summaries/vitals.ts";
import { Differences } from "./latency/differences.tsx";

const METRIC = "api.response_seconds";
const FAILED = "status~5*";
const MOST = 100;

export default function Latency() {
  const at = address.value;
  const by = at.by.length ? [...at.by] : ["endpoint"];
  const compare = at.compare || "previous";
  const whole = { metric: METRIC, resolution: "range" };
  const asked = useAnswers(at, [
    { id: "map", metric: METRIC, aggregates: ["histogram", "p50", "p95", "count"] },
    { id: "failed", metric: METRIC, aggregates: ["count"], where: [FAILED] },
    { id: "all", ...whole, aggregates: ["p50", "p95", "p99", "count"], compare },
    { id: "all failed", ...whole, aggregates: ["count"], where: [FAILED] },
    { id: "groups", ...whole, aggregates: ["p50", "p95", "p99", "count"], by, top: { n: MOST, of: "count" }, compare },
    { id: "groups failed", ...whole, aggregates: ["count"], by, where: [FAILED], top: { n: MOST, of: "count" } },
  ], "all");
  return (
    <>
      <h1>API latency</h1>
      <Answered asked={asked} height={640}>{(answers) => {
        const map = answerOf(answers, "map");
        const fault = faultOf(answers, "map");
        if (fault) return <ProblemNote problem={fault} onAgain={asked.again} />;
        return map?.series[0] ? <Shown answers={answers} map={map} by={by} /> : <Nothing />;
      }}</Answered>
    </>
  );
}

function Shown({ answers, map, by }: { answers: Answers; map: Answer; by: string[] }) {
  const cursor = useSignal<Cursor>(NONE);
  const all = answerOf(answers, "all");
  const groups = answerOf(answers, "groups");
  const rows = routeRows(groups, answerOf(answers, "groups failed"), by);
  const windows = windowsOf(map);
  const [p50, p95] = [lineOf(map.series[0], "p50", "p50", 2), lineOf(map.series[0], "p95", "p95", 1)];
  const [now, before] = [figureOf(all?.series[0], "p95"), figureOf(all?.compare?.series[0], "p95")];
  const begun = before.value === null ? undefined : since(p95.values.map((value, at) => (windows.complete[at] ? value : null)), windows.startMs, before.value * 1.5);
  const text = sentence(now, rows, map.unit, begun, clock, highest(p95.values, map.series[0]!.samples, windows.complete, windows.startMs));
  const failed = answerOf(answers, "failed");
  const selection = areaOf(address.value.sel);
  const format = (value: number) => figure(value, map.unit);
  const refused = refusalOf(answers, "groups");
  return (
    <div class="panels">
      <p class="answer" role="status">{text}</p>
      <Totals all={all} failed={answerOf(answers, "all failed")} before={before} />
      <div class="beside">
        <section class="panel" aria-label="Over time">
          <HeatMap
            title="How long answers took" name={`Heat map of how long answers took. ${text}`} windows={windows} histograms={histogramsOf(map)} lines={[p50, p95]}
            format={format} counted="answers" selection={selection} onSelect={(area) => go({ sel: areaText(area) })}
          />
          {failed?.series[0] && (
            <BarChart title="Errors (status 5xx)" name={`Answers with status 5xx over time. ${figureOf(answerOf(answers, "all failed")?.series[0], "count").value ?? 0} in the range.`}
              windows={windowsOf(failed)} lines={[lineOf(failed.series[0], "count", "errors", 2)]} format={count} right={40} isTimed={false} cursor={cursor} onRange={setRange} />
          )}
        </section>
        <Differences metric={METRIC} selection={selection} unit={map.unit} />
      </div>
      <section class="panel" aria-label="Groups">
        <Choice name="By" options={["endpoint", "method", "status", "endpoint,method,status"].map((value) => ({ value, text: value.replaceAll(",", ", ") }))} chosen={by.join()} onChoose={(value) => go({ by: value.split(",") })} />
        {refused ? <p class="note">{refused.detail}</p> : <RouteTable rows={rows} by={by} unit={map.unit} answer={groups} />}
      </section>
    </div>
  );
}

/** With too few samples only what it lies above. */
function quantileText(one: Figure, q: number, unit: string): string {
  if (one.value === null) return "–";
  const isBound = one.samples !== null && one.samples < enough(q);
  return isBound ? `≥ ${figure(one.low ?? one.value, unit)}` : figure(one.value, unit);
}

function Totals({ all, failed, before }: { all: Answer | undefined; failed: Answer | undefined; before: Figure }) {
  if (!all) return null;
  const [p50, p95, p99] = ["p50", "p95", "p99"].map((aggregate) => figureOf(all.series[0], aggregate)) as [Figure, Figure, Figure];
  const total = figureOf(all.series[0], "count").value ?? 0;
  const errors = figureOf(failed?.series[0], "count").value ?? 0;
  // What is still to come is no time in which nothing was answered.
  const spanS = (Math.min(all.end_ms[0]!, nowMs()) - all.start_ms[0]!) / 1000;
  const quantile = (name: string, one: Figure, q: number, change = "") => {
    const isMuted = (one.samples ?? 0) < enough(q);
    return <Stat name={name} value={quantileText(one, q, all.unit)} n={sampled(one.samples, "answer")} interval={intervalText(one, all.unit)} isMuted={isMuted} change={change} />;
  };
  return (
    <section class="panel stats" aria-label="The whole range">
      {quantile("p95", p95, 0.95, slower(p95.value, before.value))}
      {quantile("p50", p50, 0.5)}
      {quantile("p99", p99, 0.99)}
      <Stat name="Answers a second" value={plain(total / spanS)} n={counted(total, "answer")} />
      <Stat name="Errors" value={failed ? percent(total ? errors / total : 0) : "–"} n={failed ? counted(errors, "answer with 5xx", "answers with 5xx") : "answers bear no status"} />
    </section>
  );
}

function RouteTable({ rows, by, unit, answer }: { rows: RouteRow[]; by: string[]; unit: string; answer: Answer | undefined }) {
  const spanS = answer ? (Math.min(answer.end_ms[0]!, nowMs()) - answer.start_ms[0]!) / 1000 : 1;
  const quantile = (name: "p50" | "p95" | "p99", isExtra: boolean): Column<RouteRow> => ({
    name, isExtra, cell: (row) => row[name].value,
    shown: (row) => {
      const few = (row[name].samples ?? 0) < enough(Number(name.slice(1)) / 100);
      return (
        <span class={few ? "muted" : ""} title={`${intervalText(row[name], unit)} · ${sampled(row[name].samples, "answer")}`}>
          {quantileText(row[name], Number(name.slice(1)) / 100, unit)}
          {name === "p95" && <span class="meta extra"> {few ? `· ${row[name].samples ?? "n not known"}` : intervalText(row[name], unit)}</span>}
        </span>
      );
    },
  });
  return (
    <>
      <DataTable
        caption={`Answers by ${by.join(", ")}`} rows={rows} keyOf={(row) => row.name} sort={{ column: "p95", isDescending: true }}
        onOpen={(row, isExcluded) => by.forEach((label) => addFilter(label, row.labels[label] ?? "", isExcluded))}
        columns={[
          { name: by.join(" · "), isText: true, cell: (row) => row.name, shown: (row) => row.name },
          { name: "/s", isExtra: true, cell: (row) => row.count, shown: (row) => plain(row.count / spanS) },
          { name: "Errors", cell: (row) => (row.errors === null ? null : row.errors / row.count), shown: (row) => (row.errors === null ? "–" : percent(row.count ? row.errors / row.count : 0)) },
          quantile("p50", true), quantile("p95", false), quantile("p99", true),
          { name: "Δ p95", isExtra: true, cell: (row) => (row.before.value && row.p95.value !== null ? row.p95.value / row.before.value : null), shown: (row) => <span class={isSlower(row.p95, row.before) ? "rating warn" : "muted"}>{isSlower(row.p95, row.before) && <span class="shape warn" aria-hidden="true">▲ </span>}<span class={isSlower(row.p95, row.before) ? "word" : ""}>{slower(row.p95.value, row.before.value) || "–"}</span></span> },
        ]}
      />
      {answer?.rest && <p class="meta">{counted(answer.rest.series, "other group")} with {counted(answer.rest.values["count"]?.[0] ?? 0, "answer")} not shown one by one.</p>}
    </>
  );
}

function Nothing() {
  return (
    <Empty title={`No points for ${METRIC} in this range`}>
      <p>Here stands how long answers took, as a heat map, and what differs in a part of it. Clients report it once they are connected: <a href={linkToPage("connect")}>connect your app</a>.</p>
    </Empty>
  );
}
