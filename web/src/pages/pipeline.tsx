// Pipeline: what became of everything that was sent, and how each part of the system is. The account closes, or says by how much not.
import type { components } from "../api/schema.d.ts";
import { nowMs } from "../api/client.ts";
import { count, duration, percent, bytes } from "../format/numbers.ts";
import { Answered } from "../parts/answered.tsx";
import { BarChart } from "../charts/bars.tsx";
import { useEffect, useMemo } from "preact/hooks";
import { DataTable } from "../parts/data_table.tsx";
import { ProblemNote } from "../parts/problem.tsx";
import { Stat } from "../parts/stat.tsx";
import { address, linkToPage } from "../state/address.ts";
import { type Asked, useAsked } from "../state/question.ts";
import { noteUntil } from "../api/live.ts";
import { spanOf } from "../time/ranges.ts";

type Ledger = components["schemas"]["LedgerBody"];
type Account = components["schemas"]["AccountBody"];
type Health = components["schemas"]["SystemHealthBody"];
type Cache = components["schemas"]["CacheBody"];

/** Of a route, since the process began; quantiles of its latest thousand answers. */
interface Timing {
  readonly total_requests: number;
  readonly errors: number;
  readonly p50_ms: number | null;
  readonly p95_ms: number | null;
  readonly p99_ms: number | null;
}

const MINUTE_MS = 60_000;
const DAY_MS = 86_400_000;

export default function Pipeline() {
  const { from, to, tz: zone } = address.value;
  const minute = Math.floor(nowMs() / MINUTE_MS);
  // Bounds in whole minutes: the address of the question changes once a minute.
  const span = useMemo(() => spanOf({ from, to }, zone, (minute + 1) * MINUTE_MS), [from, to, zone, minute]);
  const [fromMs, toMs] = span ? [Math.max(span.fromMs, span.toMs - DAY_MS), span.toMs] : [0, 0];
  const path = (signal: string) => (span ? `/v1/ledger?signal=${signal}&from=${fromMs}&to=${toMs}` : null);
  const points = useAsked<Ledger>(path("points"), 5_000);
  const events = useAsked<Ledger>(path("events"), 15_000);
  const until = points.data?.complete_until_ms ?? null;
  useEffect(() => { if (points.data) noteUntil(until); }, [points.data]);
  const health = useAsked<Health>("/api/analytics/system/health", 5_000);
  const cache = useAsked<Cache>("/v1/cache", 5_000);
  const took = useAsked<{ requests: { routes: Record<string, Timing> }; live_streams?: { open: number; limit: number } }>("/performance", 15_000);
  return (
    <>
      <h1 class="answer" aria-live="polite">{sentence(points.data, events.data, health.data)}</h1>
      {!span && <ProblemNote problem={{ status: 400, code: "invalid_range", title: "The range cannot be read", detail: "from and to: the address holds none, or the end is before the begin" }} />}
      {span && span.toMs - span.fromMs > DAY_MS && <p class="meta">The account has minutes, at most a day of them: the last day of the range is shown.</p>}
      {span && (
        <div class="beside even">
          <LedgerPanel title="Points" unit="rows" asked={points} zone={zone} />
          <LedgerPanel title="Events" unit="events" asked={events} zone={zone} />
        </div>
      )}
      <section class="panel" aria-labelledby="services">
        <h2 id="services">Services</h2>
        <Answered asked={health} height={180}>{(data) => <Services health={data} />}</Answered>
      </section>
      <section class="panel" aria-labelledby="cache">
        <h2 id="cache">Cache of this query process</h2>
        <Answered asked={cache} height={100}>{(data) => <CacheFigures cache={data} />}</Answered>
      </section>
      <section class="panel" aria-labelledby="took">
        <h2 id="took">How long its answers took</h2>
        <Answered asked={took} height={180}>{({ requests, live_streams: live }) => (
          <>
            {live && <p>{count(live.open)} of at most {count(live.limit)} live streams are open.</p>}
            <Times routes={requests.routes} />
          </>
        )}</Answered>
      </section>
    </>
  );
}

function sentence(points: Ledger | null, events: Ledger | null, health: Health | null): string {
  if (!points || !events) return " ";
  const difference = points.total.difference + events.total.difference;
  const lost = points.total.lost + events.total.lost;
  const closes = difference === 0 ? "Everything that came in is accounted for" : `The account does not close: ${count(Math.abs(difference))} ${difference > 0 ? "are missing" : "are too many"}`;
  const state = health && health.status !== "ok" ? `; the system is ${health.status}` : "";
  return `${closes}${lost ? `; ${count(lost)} messages of the log were lost` : ""}${state}.`;
}

const sum = (codes: Record<string, number>) => Object.values(codes).reduce((all, n) => all + n, 0);

const OUTCOMES: readonly (readonly [keyof Account, string, string])[] = [
  ["counted", "counted in the tables", "counted"], ["duplicate", "repeats, left out", "duplicate"], ["conflict", "repeats of a batch with another body", "conflict"],
  ["stale_total", "running totals that came too late", "stale totals"], ["contested_total", "running totals of several writers", "contested totals"],
];

function LedgerPanel({ title, unit, asked, zone }: { title: string; unit: string; asked: Asked<Ledger>; zone: string }) {
  return (
    <section class="panel">
      <h2>{title}</h2>
      <Answered asked={asked} height={420}>{(ledger) => <Account ledger={ledger} unit={unit} zone={zone} title={title} />}</Answered>
    </section>
  );
}

function Account({ ledger, unit, zone, title }: { ledger: Ledger; unit: string; zone: string; title: string }) {
  const { total, minutes } = ledger;
  const windows = useMemo(() => {
    const first = Math.floor(ledger.from_ms / MINUTE_MS);
    const last = Math.min(Math.ceil(ledger.to_ms / MINUTE_MS), first + 1440);
    const startMs = Array.from({ length: Math.max(1, last - first) }, (_, at) => (first + at) * MINUTE_MS);
    const until = ledger.complete_until_ms ?? 0;
    return { startMs, endMs: startMs.map((ms) => ms + MINUTE_MS), complete: startMs.map((ms) => ledger.complete_until_ms === null ? ms + 2 * MINUTE_MS < ledger.to_ms : ms + MINUTE_MS <= until), zone };
  }, [ledger, zone]);
  const lines = useMemo(() => {
    const by = new Map(minutes.map((minute) => [minute.minute_ms, minute]));
    const of = (value: (one: Account) => number) => windows.startMs.map((ms) => { const one = by.get(ms); return one ? value(one) : 0; });
    const refused = of((one) => sum(one.rejected) + sum(one.dead_lettered));
    return [{ name: "counted", tone: 1 as const, values: of((one) => one.counted) }, ...(refused.some(Boolean) ? [{ name: "refused", tone: 2 as const, values: refused }] : [])];
  }, [minutes, windows]);
  const coded: readonly [string, Record<string, number>][] = [["refused", total.rejected], ["dead letter", total.dead_lettered]];
  const came = total.received + total.derived;
  const outcomes = [...OUTCOMES.map(([name, , short]) => [short, total[name] as number] as const), ["rejected", sum(total.rejected)] as const, ["dead letters", sum(total.dead_lettered)] as const];
  const closes = outcomes.filter(([short, n]) => n > 0 || short === "counted" || short === "rejected").map(([short, n]) => `${short} ${count(n)}`).join(" + ");
  return (
    <>
      <p class="closes">received {count(total.received)}{total.derived > 0 && ` + derived ${count(total.derived)}`} = {closes} {total.difference === 0 ? <strong>✓</strong> : <strong><span class="shape bad" aria-hidden="true">■</span> {count(Math.abs(total.difference))} {total.difference > 0 ? "missing or on the way" : "too many"}</strong>}</p>
      <BarChart title={`${title} by minute`} name={`${title} by minute of the log: ${count(total.counted)} counted`} windows={windows} lines={lines} format={count} height={110} />
      <table>
        <caption class="hidden-text">What became of {unit}</caption>
        <thead><tr><th scope="col">What</th><th scope="col">{unit}</th></tr></thead>
        <tbody>
          <tr><th scope="row" class="words">received from clients</th><td class="number">{count(total.received)}</td></tr>
          {total.derived > 0 && <tr><th scope="row" class="words">made of events</th><td class="number">{count(total.derived)}</td></tr>}
          {OUTCOMES.filter(([name]) => name === "counted" || (total[name] as number) > 0).map(([name, text]) => <tr key={name}><th scope="row" class="words">− {text}</th><td class="number">{count(total[name] as number)}</td></tr>)}
          {coded.flatMap(([what, codes]) => Object.entries(codes).map(([code, n]) => <tr key={what + code}><th scope="row" class="words">− {what}: <code>{code}</code></th><td class="number">{count(n)}</td></tr>))}
          <tr class="total"><th scope="row" class="words">{total.difference === 0 ? "= 0: it closes" : <><span class="shape bad" aria-hidden="true">■</span> does not close</>}</th><td class="number">{count(total.difference)}</td></tr>
        </tbody>
      </table>
      {sum(total.dead_lettered) > 0 && <p class="note">Dead letters are kept as they came: <code>tidegauge dead-letters list</code> reads them, <code>tidegauge dead-letters replay</code> sends them once more.</p>}
      {total.lost > 0 && <p class="note">{count(total.lost)} messages of the log vanished before they were counted.</p>}
      {came === 0 && <p class="muted">Nothing came in this range. <a href={linkToPage("connect")}>Connect your app</a></p>}
    </>
  );
}

function Services({ health }: { health: Health }) {
  const services = Object.entries(health.services) as [string, Partial<components["schemas"]["ServiceHealthBody"]> & { status: string }][];
  const mark = (state: string) => (state === "ok" || state === "up" ? <span class="shape quiet" aria-hidden="true">●</span> : state === "degraded" ? <span class="shape warn" aria-hidden="true">▲</span> : <span class="shape bad" aria-hidden="true">■</span>);
  return (
    <>
      <p class="choices">{Object.entries(health.dependencies).map(([name, state]) => <span key={name}>{mark(state)} {name} {state}</span>)}</p>
      <div class="scrolled" tabIndex={0} role="group" aria-label="Services">
        <table>
          <caption class="hidden-text">Services</caption>
          <thead><tr><th scope="col">service</th><th scope="col">state</th><th scope="col">partitions</th><th scope="col">stopped</th><th scope="col">watermark behind</th><th scope="col">oldest commit</th></tr></thead>
          <tbody>
            {services.map(([name, one]) => (
              <tr key={name}>
                <th scope="row" class="words">{name}</th>
                <td>{mark(one.status)} {one.status}{one.quiet ? ", quiet" : ""}</td>
                <td class="number">{one.partitions === undefined ? "–" : `${one.partitions_owned} of ${one.partitions}`}</td>
                <td class="number">{one.partitions_stopped ?? "–"}</td>
                <td class="number">{typeof one.watermark_lag_s === "number" ? duration(one.watermark_lag_s * 1000) : "–"}</td>
                <td class="number">{typeof one.oldest_commit_s === "number" ? `${duration(one.oldest_commit_s * 1000)} ago` : "–"}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </>
  );
}

function CacheFigures({ cache }: { cache: Cache }) {
  const size = cache.layers.reduce((all, layer) => all + (layer.bytes ?? 0), 0);
  const invalid = cache.layers.reduce((all, layer) => all + layer.invalid, 0);
  return (
    <div class="stats">
      <Stat name="Hit rate" value={cache.hit_rate_percent === null ? "–" : percent(cache.hit_rate_percent / 100)} n={`${count(cache.hits)} hits, ${count(cache.misses)} misses`} isMuted={cache.hits + cache.misses < 13} />
      <Stat name="No longer valid" value={count(invalid)} n="entries that the log outdated" />
      <Stat name="Memory" value={bytes(size)} n="of this tenant" />
      <Stat name="Follows the log" value={cache.current ? "yes" : "no"} n={cache.current ? "entries are used" : "tables are read"} isMuted={!cache.current} />
    </div>
  );
}

function Times({ routes }: { routes: Readonly<Record<string, Timing>> }) {
  const ms = (name: "p50_ms" | "p95_ms" | "p99_ms", isExtra: boolean) => ({ name: name.slice(0, 3), isExtra, cell: ([, one]: [string, Timing]) => one[name], shown: ([, one]: [string, Timing]) => (one[name] === null ? "–" : duration(one[name]!)) });
  return (
    <DataTable<[string, Timing]> caption="By route, of the latest thousand answers of each" rows={Object.entries(routes)} keyOf={([route]) => route} sort={{ column: "answers", isDescending: true }} most={12} columns={[
      { name: "route", isText: true, cell: ([route]) => route, shown: ([route]) => route },
      { name: "answers", cell: ([, one]) => one.total_requests, shown: ([, one]) => count(one.total_requests) },
      { name: "errors", isExtra: true, cell: ([, one]) => one.errors, shown: ([, one]) => count(one.errors) },
      ms("p50_ms", true), ms("p95_ms", false), ms("p99_ms", true),
    ]} />
  );
}
