// Web vitals by page: which page hurts most people?
import { LineChart } from "../charts/line.tsx";
import { ShareBar } from "../charts/share.tsx";
import { Spark } from "../charts/spark.tsx";
import { Whisker } from "../charts/whisker.tsx";
import { count, counted, figure, sampled } from "../format/figures.ts";
import { Answered } from "../parts/answered.tsx";
import { Choice } from "../parts/choice.tsx";
import { type Column, DataTable } from "../parts/data_table.tsx";
import { Empty } from "../parts/empty.tsx";
import { ProblemNote } from "../parts/problem.tsx";
import { RatingMark } from "../parts/rating.tsx";
import { RATINGS, VITALS, type Vital, judged, quantileOf } from "../parts/ratings.ts";
import { Stat } from "../parts/stat.tsx";
import { address, go, linkToPage } from "../state/address.ts";
import { type Answer, type Answers, UNKNOWN, answerOf, byLabels, faultOf, figureOf, ghostOf, lineOf, windowsOf } from "../api/answers.ts";
import { coarse, setExtra, setRange, useAnswers } from "../summaries/asking.ts";
import { type PageRow, intervalText, pageRows, quantileText, sentence, shares } from "../summaries/vitals.ts";
import { VitalDetail } from "./vitals/detail.tsx";

const QUANTILES = ["p50", "p75", "p90", "p95", "p99"];
const IN_TABLE = ["LCP", "INP", "CLS"];
const MOST_PAGES = 50;
const TRENDS = 20;

export default function Vitals() {
  const at = address.value;
  const quantile = QUANTILES.includes(at.extra["p"] ?? "") ? at.extra["p"]! : "p75";
  const vital = VITALS.find(({ name }) => name.toLowerCase() === at.extra["vital"]) ?? VITALS[0]!;
  const whole = { aggregates: [quantile, "count"], resolution: "range" };
  const asked = useAnswers(at, [
    ...VITALS.map(({ metric, name }) => ({ id: name, metric, ...whole })),
    ...VITALS.filter(({ name }) => IN_TABLE.includes(name) || name === vital.name).map(({ metric, name }) => ({ id: `${name} by page`, metric, ...whole, by: ["page"], top: { n: MOST_PAGES, of: "count" } })),
    { id: "rated", metric: vital.metric, aggregates: ["count"], resolution: "range", by: ["page", "rating"], top: { n: 3 * MOST_PAGES, of: "count" } },
    { id: "chart", metric: vital.metric, aggregates: [quantile], resolution: coarse(at, 60), ...(at.compare ? { compare: at.compare } : {}) },
    { id: "trend", metric: vital.metric, aggregates: [quantile], resolution: coarse(at), by: ["page"], top: { n: TRENDS, of: "count" } },
  ], vital.name);
  return (
    <>
      <h1>Web vitals</h1>
      <Answered asked={asked} height={640}>{(answers) => {
        const fault = faultOf(answers, vital.name);
        return fault ? <ProblemNote problem={fault} onAgain={asked.again} /> : <Shown {...{ answers, vital, quantile }} />;
      }}</Answered>
    </>
  );
}

function Shown({ answers, vital, quantile }: { answers: Answers; vital: Vital; quantile: string }) {
  const all = answerOf(answers, vital.name);
  const chart = answerOf(answers, "chart");
  const rated = answerOf(answers, "rated");
  const names = [...new Set([...IN_TABLE, vital.name])];
  const rows = pageRows(names.map((name) => ({ name, answer: answerOf(answers, `${name} by page`) })), vital.name, rated, quantile);
  const wholeFigure = figureOf(all?.series[0], quantile);
  const text = sentence(vital, quantile, wholeFigure, rows);
  const parts = shares(rated?.series ?? []);
  const opened = rows.find((row) => row.page === address.value.sel);
  const weighted = wholeFigure.samples !== null && figureOf(all?.series[0], "count").value !== wholeFigure.samples;
  return (
    <div class="panels">
      <p class="answer" role="status">{text}</p>
      {weighted && all && <p class="note">A client reports samples of its loads, with weights: {counted(wholeFigure.samples ?? 0, "sample stands", "samples stand")} for {counted(figureOf(all.series[0], "count").value ?? 0, "load")}.</p>}
      <section class="panel" aria-label="All pages">
        <div class="choices">
          <Choice name="Vital" options={VITALS.map(({ name }) => ({ value: name.toLowerCase(), text: name }))} chosen={vital.name.toLowerCase()} onChoose={(value) => setExtra({ vital: value })} />
          <Choice name="Quantile" options={QUANTILES.map((value) => ({ value, text: value }))} chosen={quantile} onChoose={(p) => setExtra({ p })} />
        </div>
        <div class="stats">{VITALS.map((each) => <VitalStat key={each.name} vital={each} quantile={quantile} answer={answerOf(answers, each.name)} isChosen={each === vital} />)}</div>
        <ShareBar counted="loads" parts={RATINGS.map(({ rating, shape, tone }, at) => ({ name: rating, shape, tone, count: [parts.good, parts.needs, parts.poor][at]! }))} />
      </section>
      {chart && chart.series[0] && (
        <section class="panel" aria-label="Over time">
          <LineChart
            title={`${vital.name} ${quantile} over time`} name={`${vital.name} ${quantile} over time. ${text}`} question={`${vital.name}${quantile}${address.value.from}${address.value.to}`}
            windows={windowsOf(chart)} lines={[...ghostOf(chart, 0, quantile), lineOf(chart.series[0], quantile, quantile, 1)]}
            format={(value) => figure(value, vital.unit)} limits={[{ value: vital.limits[0], name: "needs improvement above" }, { value: vital.limits[1], name: "poor above" }]} onRange={setRange}
          />
        </section>
      )}
      {rows.length ? <PageTable {...{ rows, names, vital, quantile, trend: answerOf(answers, "trend") }} /> : <NoLoads vital={vital} />}
      {opened && <VitalDetail page={opened.page} vital={vital} quantile={quantile} />}
    </div>
  );
}

function VitalStat({ vital, quantile, answer, isChosen }: { vital: Vital; quantile: string; answer: Answer | undefined; isChosen: boolean }) {
  const one = figureOf(answer?.series[0], quantile);
  const { rating, isMuted } = judged(one.value, one.samples, quantileOf(quantile), vital.limits);
  const tone = RATINGS.find((each) => each.rating === rating)?.tone ?? "muted";
  return (
    <Stat name={`${vital.name} ${quantile}${isChosen ? " · chosen" : ""}`} value={quantileText(one, vital.unit, quantile, vital.limits)} n={one.value === null ? "no loads" : sampled(one.samples, "load")} interval={intervalText(one, vital.unit)} rating={rating} isRated isMuted={isMuted}>
      <Whisker limits={vital.limits} value={one.value} low={one.low} high={one.high} tone={tone} />
    </Stat>
  );
}

function PageTable({ rows, names, vital, quantile, trend }: { rows: PageRow[]; names: string[]; vital: Vital; quantile: string; trend: Answer | undefined }) {
  const trends = byLabels(trend?.series, ["page"]);
  const ofVital = (name: string): Column<PageRow> => {
    const { unit, limits } = VITALS.find((each) => each.name === name)!;
    const of = (row: PageRow) => row.figures[name] ?? UNKNOWN;
    return {
      name: `${name} ${quantile}`, isExtra: name !== vital.name, cell: (row) => of(row).value,
      shown: (row) => {
        const { rating, isMuted } = judged(of(row).value, of(row).samples, quantileOf(quantile), limits);
        return (
          <span class={isMuted ? "muted" : ""} title={`${intervalText(of(row), unit)} · ${sampled(of(row).samples, "load")}`}>
            {rating && rating !== "good" && <RatingMark rating={rating} isShort />} {quantileText(of(row), unit, quantile, limits)}
            {isMuted && of(row).value !== null ? <span class="meta"> · {of(row).samples === null ? "n not known" : count(of(row).samples!)}</span> : name === vital.name && <span class="meta extra"> {intervalText(of(row), unit)}</span>}
          </span>
        );
      },
    };
  };
  const columns: Column<PageRow>[] = [
    { name: "Page", isText: true, cell: (row) => row.page, shown: (row) => row.page },
    { name: "Loads", isExtra: true, cell: (row) => row.loads, shown: (row) => row.loads.toLocaleString("en") },
    ...[vital.name, ...names.filter((name) => name !== vital.name)].map(ofVital),
    { name: "Not good", cell: (row) => row.notGood, shown: (row) => counted(row.notGood, "load") },
    { name: "Trend", isExtra: true, shown: (row) => trends.has(row.page) && trend ? <Spark values={trends.get(row.page)!.values[quantile] ?? []} complete={trend.complete} /> : null },
  ];
  return (
    <section class="panel" aria-label="Pages">
      <DataTable caption={`Pages by loads whose ${vital.name} was not good`} columns={columns} rows={rows} keyOf={(row) => row.page} sort={{ column: "Not good", isDescending: true }} selected={address.value.sel} onOpen={(row) => go({ sel: row.page === address.value.sel ? "" : row.page })} />
    </section>
  );
}

function NoLoads({ vital }: { vital: Vital }) {
  return (
    <Empty title={`No points for ${vital.metric} in this range`}>
      <p>Here stands each page with what three of four visitors wait at most. Browsers report it once the snippet is in your pages: <a href={linkToPage("connect")}>connect your app</a>.</p>
    </Empty>
  );
}
