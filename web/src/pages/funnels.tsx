// Funnels: where do people leave?
import { FunnelBars } from "../charts/funnel.tsx";
import { nowMs } from "../api/client.ts";
import { count, counted, percent, seconds } from "../format/figures.ts";
import { Answered } from "../parts/answered.tsx";
import { Choice } from "../parts/choice.tsx";
import { DataTable } from "../parts/data_table.tsx";
import { Empty } from "../parts/empty.tsx";
import { Stat } from "../parts/stat.tsx";
import { address, go, linkToPage } from "../state/address.ts";
import { useAsked, useLive } from "../state/question.ts";
import { followed, setExtra } from "../summaries/asking.ts";
import { MATURE_MS, type Report, type Row, completion, rowTexts, rows as rowsOf, sentence, stepName } from "../summaries/funnels.ts";
import { spanOf } from "../time/ranges.ts";

const STEP_MS = 60_000;

interface Funnels {
  funnels: { funnel: string; steps: string[] }[];
}

export default function FunnelsPage() {
  const names = useAsked<Funnels>("/v1/funnels");
  return (
    <>
      <h1>Funnels</h1>
      <Answered asked={names} height={480}>{({ funnels }) => {
        const chosen = funnels.find(({ funnel }) => funnel === address.value.extra["funnel"]) ?? funnels[0];
        if (!chosen) return <Empty title="This build knows no funnel"><p>A funnel is a list of steps that sessions take in order.</p></Empty>;
        return (
          <>
            {funnels.length > 1 && <Choice name="Funnel" options={funnels.map(({ funnel }) => ({ value: funnel, text: stepName(funnel) }))} chosen={chosen.funnel} onChoose={(funnel) => setExtra({ funnel })} />}
            <OneFunnel name={chosen.funnel} />
          </>
        );
      }}</Answered>
    </>
  );
}

const UNIT_MS: Readonly<Record<string, number>> = { h: 3_600_000, d: 86_400_000, w: 7 * 86_400_000 };

/** How far a comparison goes back, ms; 0 for the range before. */
function backMs(compare: string): number {
  const found = /^(\d+)([hdw])$/.exec(compare);
  return found ? Number(found[1]) * UNIT_MS[found[2]!]! : 0;
}

function OneFunnel({ name }: { name: string }) {
  const at = address.value;
  // To the end of this minute, so that questions within it have equal addresses and are answered once.
  const now = Math.ceil(nowMs() / STEP_MS) * STEP_MS;
  const span = spanOf(at, at.tz, now);
  const path = (fromMs: number, toMs: number) => `/v1/funnels/${encodeURIComponent(name)}?from=${fromMs}&to=${toMs}`;
  const youngFrom = span && Math.max(span.fromMs, now - MATURE_MS);
  const shift = span && (backMs(at.compare) || span.toMs - span.fromMs);
  const asked = useLive<Report>(span && path(span.fromMs, span.toMs), followed(at));
  const young = useLive<Report>(span && youngFrom! < span.toMs ? path(youngFrom!, span.toMs) : null, followed(at));
  const before = useAsked<Report>(span && path(span.fromMs - shift!, span.toMs - shift!));
  if (!span) return <Empty title="This range cannot be read"><p>Choose another one above.</p></Empty>;
  return (
    <Answered asked={asked} height={480}>{(report) =>
      (young.data || youngFrom! >= span.toMs) && (before.data || before.error) ? <Shown report={report} young={youngFrom! < span.toMs ? young.data : null} before={before.data} /> : <p class="muted" role="status" aria-busy="true">Asking who may still go on, and what was before …</p>
    }</Answered>
  );
}

function Shown({ report, young, before }: { report: Report; young: Report | null; before: Report | null }) {
  const rows = rowsOf(report, young);
  const overall = completion(rows);
  const worst = Math.max(...rows.map((row) => row.lost));
  const selected = rows.findIndex((row) => row.name === address.value.sel);
  // The ghost is in the scale of this range: shares of its own entries, so that a busier week does not look like a better one.
  const scale = before?.entries ? report.entries / before.entries : 0;
  const entries = rows[0]?.sessions ?? 0;
  if (!entries) return <Nobody report={report} />;
  return (
    <div class="panels">
      <p class="answer" role="status">{sentence(rows)}</p>
      <section class="panel stats" aria-label="Overall">
        <Stat name="Get through" value={overall.rate === null ? "–" : percent(overall.rate)} n={`${counted(entries - rows[0]!.immature, "session")}`} interval={overall.interval ? `${percent(overall.interval.low)} to ${percent(overall.interval.high)}` : ""} isMuted={overall.rate === null} change={before?.completion_rate != null ? `before ${percent(before.completion_rate)}` : ""} />
        <Stat name="Entered" value={count(entries)} n={before ? `before ${count(before.entries)}` : ""} />
        <Stat name="May still go on" value={count(rows[0]!.immature)} n={`entered within the last ${MATURE_MS / 60_000} min, hatched, left out of rates`} />
      </section>
      <section class="panel" aria-label="Steps">
        <h2>{stepName(report.funnel)}</h2>
        <FunnelBars
          selected={selected} onSelect={(step) => go({ sel: rows[step]!.name === address.value.sel ? "" : rows[step]!.name })}
          steps={rows.map((row, at) => {
            const isWorst = row.lost > 0 && row.lost === worst;
            return { name: stepName(row.name), sessions: row.sessions, immature: row.immature, ghost: scale ? before!.steps[at]!.sessions * scale : null, isWorst, ...rowTexts(row, at, isWorst) };
          })}
        />
        {before?.entries ? <p class="meta">Dashed: of {counted(before.entries, "session")} of {address.value.compare || "the range before"}, in the scale of this range.</p> : null}
        {report.out_of_order > 0 && <p class="meta">{counted(report.out_of_order, "step was", "steps were")} sent before those that lead to them. Which of the steps, the API does not say.</p>}
      </section>
      <section class="panel" aria-label="Steps as a table"><StepTable rows={rows} /></section>
    </div>
  );
}

function StepTable({ rows }: { rows: readonly Row[] }) {
  return (
    <DataTable
      caption="Steps" rows={rows} keyOf={(row) => row.name} sort={{ column: "", isDescending: false }} selected={address.value.sel}
      columns={[
        { name: "Step", isText: true, shown: (row) => stepName(row.name) },
        { name: "Sessions", cell: (row) => row.sessions, shown: (row) => count(row.sessions) },
        { name: "Of the step before", cell: (row) => row.rate, shown: (row) => (row.rate === null ? "–" : percent(row.rate)) },
        { name: "Interval", isExtra: true, shown: (row) => (row.interval ? `${percent(row.interval.low)} to ${percent(row.interval.high)}` : "–") },
        { name: "Lost", isExtra: true, cell: (row) => row.lost, shown: (row) => count(row.lost) },
        { name: "Median time", isExtra: true, cell: (row) => row.medianMs, shown: (row) => (row.medianMs === null ? "–" : seconds(row.medianMs / 1000)) },
      ]}
    />
  );
}

function Nobody({ report }: { report: Report }) {
  return (
    <Empty title={`Nobody entered ${stepName(report.funnel).toLowerCase()} in this range`}>
      <p>Here stands how many sessions take each of its steps: {report.steps.map((step) => stepName(step.name).toLowerCase()).join(", ")}. A client sends <code>funnel_step</code> events: <a href={linkToPage("connect")}>connect your app</a>.</p>
    </Empty>
  );
}
