// Errors: what broke, and for how many people? Groups by fingerprint with their states are not in this build.
import { nowMs } from "../api/client.ts";
import { BarChart } from "../charts/bars.tsx";
import { Spark } from "../charts/spark.tsx";
import { count, counted } from "../format/figures.ts";
import { Answered } from "../parts/answered.tsx";
import { DataTable } from "../parts/data_table.tsx";
import { Empty } from "../parts/empty.tsx";
import { ProblemNote } from "../parts/problem.tsx";
import { Stat } from "../parts/stat.tsx";
import { address, go, linkToPage } from "../state/address.ts";
import { useLive } from "../state/question.ts";
import { type Answers, answerOf, faultOf, figureOf, lineOf, windowsOf } from "../api/answers.ts";
import { clock, followed, setRange, useAnswers } from "../summaries/asking.ts";
import { type ErrorEvent, type ErrorRow, errorRows, sentence, trend } from "../summaries/errors.ts";
import { spanOf } from "../time/ranges.ts";
import { ErrorDetail } from "./errors/detail.tsx";

const READ = 1000;
const FIELDS = "event_id,ts_ms,name,session_id,user_id,properties";

interface Page {
  events: ErrorEvent[];
  next: string | null;
}

export default function Errors() {
  const at = { ...address.value, where: [] };
  const counts = useAnswers(at, [
    { id: "over time", metric: "errors.count", aggregates: ["count"] },
    { id: "all", metric: "errors.count", aggregates: ["count"], resolution: "range" },
    { id: "events", metric: "events.count", aggregates: ["count"], resolution: "range", by: ["type"], top: { n: 20, of: "count" } },
  ], "all");
  // Of the very windows that were counted, or of the range where the counts were refused, since no error ever came.
  const all = answerOf(counts.data, "all");
  const span = all ? { fromMs: all.start_ms[0]!, toMs: all.end_ms[0]! } : counts.data || counts.error ? spanOf(at, at.tz, Math.ceil(nowMs() / 10_000) * 10_000) : null;
  const latest = useLive<Page>(span && `/v1/events?type=error&from=${span.fromMs}&to=${span.toMs}&limit=${READ}&fields=${FIELDS}`, followed(at));
  return (
    <>
      <h1>Errors</h1>
      {address.value.where.length > 0 && <p class="note">Errors bear no labels yet: the filter does not narrow this page.</p>}
      {faultOf(counts.data, "all") && <ProblemNote problem={faultOf(counts.data, "all")!} onAgain={counts.again} />}
      {counts.error && <ProblemNote problem={counts.error} onAgain={counts.again} />}
      {(span || !(counts.data || counts.error)) && <Answered asked={latest} height={480}>{(page) => <Shown page={page} counts={counts.data} />}</Answered>}
    </>
  );
}

function Shown({ page, counts }: { page: Page; counts: Answers | null }) {
  const rows = errorRows(page.events);
  const chart = answerOf(counts, "over time");
  const total = figureOf(answerOf(counts, "all")?.series[0], "count").value;
  const text = sentence(counts ? (total ?? 0) : null, page.events.length, page.next === null, rows);
  const opened = rows.find((row) => row.key === address.value.sel);
  const users = new Set(page.events.map((event) => event.user_id).filter(Boolean)).size;
  const types = answerOf(counts, "events")?.series ?? [];
  if (!page.events.length && !total) return <div class="panels"><p class="answer" role="status">{text}</p><NoErrors /></div>;
  return (
    <div class="panels">
      <p class="answer" role="status">{text}</p>
      <section class="panel stats" aria-label="The whole range">
        <Stat name="Errors" value={total === null ? "–" : count(total)} n="counted in the range" isMuted={total === null} />
        <Stat name="Kinds" value={count(rows.length)} n={`among ${counted(page.events.length, "event")}`} />
        <Stat name="Users" value={count(users)} n={page.next ? `at least: of the latest ${count(page.events.length)} events` : "with a user id"} />
      </section>
      {chart?.series[0] && (
        <section class="panel" aria-label="Over time">
          <BarChart title="Errors over time" name={`Errors over time. ${text}`} windows={windowsOf(chart)} lines={[lineOf(chart.series[0], "count", "errors", 2)]} format={count} height={160} onRange={setRange} />
        </section>
      )}
      <section class="panel" aria-label="Kinds">
        <ErrorTable rows={rows} />
        <p class="meta">Errors are put together here by kind and message, of {page.next ? `the latest ${count(page.events.length)} events` : "all events of the range"}. Groups by fingerprint, new and returned ones, and resolving them are not in this build.</p>
      </section>
      {opened && <ErrorDetail row={opened} />}
      {types.length > 0 && (
        <section class="panel" aria-label="Events by type">
          <DataTable caption="All events by type" rows={types} keyOf={(one) => one.labels["type"] ?? ""} sort={{ column: "Events", isDescending: true }}
            columns={[
              { name: "Type", isText: true, cell: (one) => one.labels["type"] ?? "", shown: (one) => one.labels["type"] ?? "(no type)" },
              { name: "Events", cell: (one) => figureOf(one, "count").value, shown: (one) => count(figureOf(one, "count").value ?? 0) },
            ]} />
        </section>
      )}
    </div>
  );
}

/** What is read of the tables came whole. */
const KNOWN = new Array<boolean>(24).fill(true);

const LEVELS: Record<string, { shape: string; tone: string }> = { fatal: { shape: "■", tone: "bad" }, error: { shape: "▲", tone: "warn" } };

function ErrorTable({ rows }: { rows: ErrorRow[] }) {
  const [fromMs, toMs] = [Math.min(...rows.map((row) => row.firstMs)), Math.max(...rows.map((row) => row.lastMs))];
  return (
    <DataTable
      caption="By kind and message" rows={rows} keyOf={(row) => row.key} sort={{ column: "Count", isDescending: true }} selected={address.value.sel}
      onOpen={(row) => go({ sel: row.key === address.value.sel ? "" : row.key })}
      columns={[
        { name: "Kind", isText: true, cell: (row) => row.name, shown: (row) => row.name || "(no kind)" },
        { name: "Level", isText: true, isExtra: true, cell: (row) => row.level, shown: (row) => {
          const mark = LEVELS[row.level];
          return row.level && <span class={`rating ${mark?.tone ?? "quiet"}`}><span class={`shape ${mark?.tone ?? "quiet"}`} aria-hidden="true">{mark?.shape ?? "●"}</span> <span class="word">{row.level}</span></span>;
        } },
        { name: "Message", isText: true, cell: (row) => row.message, shown: (row) => row.message || "–" },
        { name: "Trend", isExtra: true, shown: (row) => <Spark values={trend(row, fromMs, toMs)} complete={KNOWN} /> },
        { name: "Count", cell: (row) => row.count, shown: (row) => count(row.count) },
        { name: "Users", isExtra: true, cell: (row) => row.users, shown: (row) => (row.users ? count(row.users) : "–") },
        { name: "First", isExtra: true, cell: (row) => row.firstMs, shown: (row) => clock(row.firstMs) },
        { name: "Last", isExtra: true, cell: (row) => row.lastMs, shown: (row) => clock(row.lastMs) },
        { name: "Releases", isExtra: true, shown: (row) => row.releases.join(", ") || "–" },
      ]}
    />
  );
}

function NoErrors() {
  return (
    <Empty title="Nothing broke, or nobody said so">
      <p>Here stand errors by kind and message, with how many users saw them. Clients send events of type <code>error</code>: <a href={linkToPage("connect")}>connect your app</a>. Groups by fingerprint are not in this build.</p>
    </Empty>
  );
}
