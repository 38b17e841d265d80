// The answer of a question of one's own: as lines, bars, a heat map, or a table that says how sure each window is.
import { useMemo } from "preact/hooks";
import { type Answer, type Series, ghostOf, histogramsOf, lineOf, nameOf, windowsOf } from "../../api/answers.ts";
import { BarChart } from "../../charts/bars.tsx";
import { HeatMap } from "../../charts/heat.tsx";
import { LineChart } from "../../charts/line.tsx";
import type { Format, Line, Tone } from "../../charts/types.ts";
import { count, counted, figure as figureText } from "../../format/figures.ts";
import { plain } from "../../format/numbers.ts";
import { windowName } from "../../charts/rows.ts";
import { DataTable } from "../../parts/data_table.tsx";
import { Empty } from "../../parts/empty.tsx";
import { address, linkToPage } from "../../state/address.ts";
import { addFilter, setRange } from "../../summaries/asking.ts";

const MOST_LINES = 5;

export type Form = "line" | "bar" | "heat map" | "table";

export function Shown({ answer, figure, form, question }: { answer: Answer; figure: string; form: Form; question: string }) {
  const windows = useMemo(() => windowsOf(answer), [answer]);
  const { series, rest } = answer;
  const { by } = address.value;
  const unit = figure === "count" || figure === "uniques" || figure === "rate" ? "" : answer.unit;
  const format = (value: number) => (unit ? figureText(value, unit) : plain(value));
  const lines = useMemo<Line[]>(() => {
    const drawn = series.slice(0, MOST_LINES).map((one, at) => ({ ...lineOf(one, figure, by.length ? nameOf(one.labels, by) : figure, (at + 1) as Tone) }));
    if (series.length === 1) return [...drawn, ...ghostOf(answer, 0, figure)];
    // Bands of several lines hide each other.
    const alone = drawn.map(({ low: _, high: __, ...line }) => line);
    return rest?.series ? [...alone, lineOf({ ...rest, labels: {} }, figure, `${count(rest.series)} others`, "rest")] : alone;
  }, [answer, figure]);
  if (!series.length) return <Empty title="Nothing came in this range"><p>Choose another range, remove a filter, or <a href={linkToPage("connect")}>connect your app</a>.</p></Empty>;
  const title = `${figure} of ${answer.metric}`;
  const usual = { title, windows, format, onRange: setRange };
  return (
    <>
      {form === "line" && <LineChart {...usual} name={`${title}, ${series.length === 1 ? "one line" : `${Math.min(series.length, MOST_LINES)} lines`}`} question={question} lines={lines} height={300} />}
      {form === "bar" && <BarChart {...usual} name={title} lines={lines.filter((line) => line.tone !== "ghost")} height={300} />}
      {form === "heat map" && (
        <HeatMap title={`How ${answer.metric} is spread`} name={`Heat map of ${answer.metric} over time`} windows={windows} histograms={histogramsOf(answer)}
          lines={[lineOf(series[0], "p50", "p50", 2), lineOf(series[0], "p95", "p95", 1)]} format={(value) => figureText(value, answer.unit)} counted="samples" onSelect={({ fromMs, toMs }) => setRange(fromMs, toMs)} />
      )}
      {form === "table" ? <WindowsTable answer={answer} figure={figure} format={format} /> : by.length > 0 && form !== "heat map" && <Groups answer={answer} figure={figure} format={format} />}
      {answer.warnings.map((warning) => <p key={warning} class="note">{warning}</p>)}
    </>
  );
}

function Groups({ answer, figure, format }: { answer: Answer; figure: string; format: Format }) {
  const { by } = address.value;
  const known = (one: Series) => (one.values[figure] ?? []).filter((value): value is number => value !== null);
  const last = (one: Series) => known(one).at(-1) ?? null;
  const most = (one: Series) => (known(one).length ? Math.max(...known(one)) : null);
  const n = (one: Series) => (one.samples.includes(null) ? null : one.samples.reduce<number>((sum, each) => sum + each!, 0));
  const cell = (value: number | null) => (value === null ? "–" : format(value));
  const name = by.join(" · ");
  return (
    <>
      <DataTable caption={`Groups by ${by.join(", ")}`} rows={answer.series} keyOf={(one) => nameOf(one.labels, by)} sort={{ column: "max", isDescending: true }}
        onOpen={(one, isExcluded) => by.forEach((label) => addFilter(label, one.labels[label] ?? "", isExcluded))}
        columns={[
          { name, isText: true, cell: (one) => nameOf(one.labels, by), shown: (one) => nameOf(one.labels, by) },
          { name: "last", cell: last, shown: (one) => cell(last(one)) },
          { name: "max", cell: most, shown: (one) => cell(most(one)) },
          { name: "samples", isExtra: true, cell: n, shown: (one) => (n(one) === null ? "not known" : count(n(one)!)) },
        ]} />
      {answer.rest?.series ? <p class="meta">{counted(answer.rest.series, "other group")} put together as one grey line.</p> : null}
      <p class="meta">A click on a group adds it to the filter; with Alt it is left out.</p>
    </>
  );
}

function WindowsTable({ answer, figure, format }: { answer: Answer; figure: string; format: Format }) {
  const { by } = address.value;
  const rows = answer.series.flatMap((one) => answer.start_ms.map((startMs, at) => ({
    key: `${startMs} ${nameOf(one.labels, by)}`, startMs, window: windowName(startMs, answer.end_ms[at]!, answer.tz), name: nameOf(one.labels, by), value: one.values[figure]?.[at] ?? null,
    samples: one.samples[at] ?? null, revision: one.revision[at] ?? 0, late: one.late[at] ?? 0, isComplete: answer.complete[at] ?? false,
  })));
  return (
    <DataTable caption="Windows" rows={rows} keyOf={(row) => row.key} sort={{ column: "window", isDescending: true }} most={200} columns={[
      { name: "window", cell: (row) => row.startMs, shown: (row) => row.window },
      ...(by.length ? [{ name: by.join(" · "), isText: true, cell: (row: (typeof rows)[number]) => row.name, shown: (row: (typeof rows)[number]) => row.name }] : []),
      { name: figure, cell: (row) => row.value, shown: (row) => (row.value === null ? "–" : format(row.value)) },
      { name: "samples", cell: (row) => row.samples, shown: (row) => (row.samples === null ? "not known" : count(row.samples)) },
      { name: "complete", isExtra: true, isText: true, cell: (row) => Number(row.isComplete), shown: (row) => (row.isComplete ? "yes" : "not yet") },
      { name: "revision", isExtra: true, cell: (row) => row.revision, shown: (row) => (row.revision ? `${row.revision}, ${counted(row.late, "late point")}` : "0") },
    ]} />
  );
}
