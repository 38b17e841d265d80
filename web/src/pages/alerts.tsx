// Alerts: what fires, and why. A rule's alerts stand together; each has its evidence, the evaluation it was decided on.
import { useMemo } from "preact/hooks";
import type { components } from "../api/schema.d.ts";
import { nowMs } from "../api/client.ts";
import { count, lasted, plain } from "../format/numbers.ts";
import { Answered } from "../parts/answered.tsx";
import { DataTable } from "../parts/data_table.tsx";
import { Empty } from "../parts/empty.tsx";
import { address, go, linkTo, linkToPage } from "../state/address.ts";
import { type Alert, ruleName, severityOf, subject, toneOf } from "../state/alerts.ts";
import { useAsked } from "../state/question.ts";
import { windowName } from "../charts/rows.ts";
import { Acts, Standing } from "./alerts/acts.tsx";
import { Evidence } from "./alerts/evidence.tsx";
import { Silences } from "./alerts/silences.tsx";

type History = components["schemas"]["HistoryBody"];
type Transition = History["transitions"][number];

export default function Alerts() {
  const { item } = address.value;
  return item ? <One id={item} /> : <All />;
}

const STATES = ["firing", "pending", "resolved"] as const;

function All() {
  const asked = useAsked<{ alerts: Alert[]; truncated: boolean }>("/v1/alerts?state=firing&state=pending&state=resolved", 5_000);
  const shown = address.value.extra.state ?? "firing";
  return (
    <>
      <h1 class="answer" aria-live="polite">{asked.data ? sentence(asked.data.alerts) : " "}</h1>
      <section class="panel">
        <Answered asked={asked} height={240}>
          {({ alerts, truncated }) => (
            <>
              <div class="choices" role="group" aria-label="State">
                {STATES.map((state) => (
                  <button key={state} aria-pressed={state === shown} onClick={() => go({ extra: { ...address.peek().extra, state: state === "firing" ? "" : state } })}>
                    {state === "resolved" ? "resolved in the last day" : state} ({alerts.filter((alert) => alert.state === state).length})
                  </button>
                ))}
              </div>
              <Rules alerts={alerts.filter((alert) => alert.state === shown)} state={shown} onDone={asked.again} />
              {truncated && <p class="note">There are more than 1,000: these are the newest.</p>}
            </>
          )}
        </Answered>
      </section>
      <Silences />
      <p class="meta">Rules are a file, receivers are settings: <code>deploy/rules</code>, <code>ALERTS_WEBHOOKS</code>.</p>
    </>
  );
}

function sentence(alerts: readonly Alert[]): string {
  const firing = alerts.filter((alert) => alert.state === "firing");
  if (!firing.length) {
    const last = alerts.filter((alert) => alert.resolved_at_ms !== null).sort((a, b) => (b.resolved_at_ms ?? 0) - (a.resolved_at_ms ?? 0))[0];
    return last ? `Nothing fires. The last alert, ${ruleName(last)}, was resolved ${lasted(nowMs() - (last.resolved_at_ms ?? 0))} ago.` : "Nothing fires, and nothing has fired for a day.";
  }
  const worst = [...firing].sort((a, b) => severityOf(a) - severityOf(b))[0]!;
  return `${count(firing.length)} ${firing.length === 1 ? "alert fires" : "alerts fire"}; the most severe is ${ruleName(worst)}${subject(worst) ? ` for ${subject(worst)}` : ""}.`;
}

/** Alerts by rule, the most severe rule first. */
function Rules({ alerts, state, onDone }: { alerts: readonly Alert[]; state: string; onDone(): void }) {
  const groups = useMemo(() => {
    const found = new Map<string, Alert[]>();
    for (const alert of alerts) found.set(alert.rule, [...(found.get(alert.rule) ?? []), alert]);
    return [...found.values()].sort((a, b) => severityOf(a[0]!) - severityOf(b[0]!));
  }, [alerts]);
  if (!groups.length) return <Empty title={`Nothing is ${state}`}><p>Rules stand in <code>deploy/rules/default.yml</code>; <a href={linkToPage("connect")}>connect an app</a> and post a response of 6 s to see one fire.</p></Empty>;
  return <ul class="rules">{groups.map((group) => <Rule key={group[0]!.rule} alerts={group} onDone={onDone} />)}</ul>;
}

function Rule({ alerts, onDone }: { alerts: readonly Alert[]; onDone(): void }) {
  const [first] = alerts as [Alert];
  const tone = toneOf(first);
  return (
    <li class="rule">
      <h2><span class={`shape ${tone}`} aria-hidden="true">{tone === "bad" ? "■" : "▲"}</span> {ruleName(first)} <span class="meta">{first.labels.severity ?? "warning"}{alerts.length > 1 ? ` ×${alerts.length}` : ""}</span></h2>
      <ul>
        {alerts.map((alert) => (
          <li key={alert.alert_id} class="alert-row">
            <a href={linkTo({ page: "alerts", item: alert.alert_id, extra: {} })}>{subject(alert, alerts) || "all"}</a>
            <span>{alert.annotations.summary ?? `value ${plain(alert.value)}`}</span>
            <span class="meta">{howLong(alert)}<Standing alert={alert} /></span>
            <a class="why" href={linkTo({ page: "alerts", item: alert.alert_id, extra: {} })} aria-label={`Why? ${ruleName(alert)} ${subject(alert, alerts)}`}>Why?</a>
            <Acts alert={alert} onDone={onDone} />
          </li>
        ))}
      </ul>
    </li>
  );
}

function howLong(alert: Alert): string {
  const since = alert.fired_at_ms ?? alert.active_at_ms;
  if (alert.resolved_at_ms !== null) return `${lasted(alert.resolved_at_ms - since)}, until ${lasted(nowMs() - alert.resolved_at_ms)} ago`;
  return `for ${lasted(nowMs() - since)}`;
}

function One({ id }: { id: string }) {
  const asked = useAsked<History>(`/v1/alerts/${encodeURIComponent(id)}/history`, 5_000);
  return (
    <>
      <p><a href={linkTo({ page: "alerts", item: "" })}>All alerts</a></p>
      {!asked.data && asked.error && <h1 class="answer">This alert cannot be shown.</h1>}
      <Answered asked={asked} height={400}>{(history) => <Detail history={history} />}</Answered>
    </>
  );
}

function Detail({ history }: { history: History }) {
  const { rule, labels, transitions } = history;
  const { tz } = address.value;
  const newest = transitions[0];
  return (
    <>
      <h1 class="answer">{newest ? `${ruleName({ rule, labels })} ${WORDS[newest.transition]} ${lasted(nowMs() - newest.at_ms)} ago${subject({ labels }) ? ` for ${subject({ labels })}` : ""}.` : ruleName({ rule, labels })}</h1>
      {newest && (
        <section class="panel" aria-labelledby="why">
          <h2 id="why">Why?</h2>
          <p>{because(newest, tz)}</p>
          <dl class="facts">
            <div><dt>Rule</dt><dd><code>{newest.expr}</code></dd></div>
            <div><dt>Value and limit</dt><dd>{plain(newest.value)}, limit {plain(newest.threshold)}</dd></div>
            <div><dt>Window</dt><dd>{windowName(newest.window_start_ms, newest.window_start_ms + 10_000, tz, nowMs())}, {newest.decided_on}, revision {newest.revision}, count {count(newest.count)}</dd></div>
            <div><dt>Watermark then</dt><dd>{time(newest.watermark_ms, tz)}</dd></div>
            <div><dt>Labels</dt><dd>{Object.entries(labels).map(([name, value]) => <code key={name}>{name}={value} </code>)}</dd></div>
          </dl>
          <Evidence history={history} />
        </section>
      )}
      <section class="panel">
        <DataTable caption="History, newest first" rows={transitions} keyOf={(one) => one.key} sort={{ column: "At", isDescending: true }} columns={[
          { name: "At", cell: (one) => one.at_ms, shown: (one) => time(one.at_ms, tz) },
          { name: "What", isText: true, shown: (one) => one.transition },
          { name: "Why", isText: true, isExtra: true, shown: (one) => one.reason },
          { name: "Value", cell: (one) => one.value, shown: (one) => plain(one.value) },
          { name: "Limit", isExtra: true, shown: (one) => plain(one.threshold) },
          { name: "Decided on", isText: true, isExtra: true, shown: (one) => `${one.decided_on} window` },
          { name: "Revision", isExtra: true, shown: (one) => String(one.revision) },
        ]} />
        {history.truncated && <p class="meta">Only the newest 1,000 are shown.</p>}
        {history.notes.length > 0 && (
          <DataTable caption="What people said, newest first" rows={history.notes} keyOf={(one) => `${one.at_ms} ${one.action} ${one.actor}`} sort={{ column: "At", isDescending: true }} columns={[
            { name: "At", cell: (one) => one.at_ms, shown: (one) => time(one.at_ms, tz) },
            { name: "Who", isText: true, shown: (one) => one.actor },
            { name: "What", isText: true, shown: (one) => SAID[one.action] },
            { name: "Text", isText: true, shown: (one) => one.text },
          ]} />
        )}
      </section>
    </>
  );
}

const SAID: Record<History["notes"][number]["action"], string> = { ack: "acknowledged", assign: "gave it to", comment: "said", resolve: "resolved by hand" };

const WORDS: Record<Transition["transition"], string> = { pending: "is over its limit since", firing: "fired", resolved: "was resolved", cancelled: "was cancelled" };

function because(one: Transition, tz: string): string {
  const window = windowName(one.window_start_ms, one.window_start_ms + 10_000, tz, nowMs());
  const what = `It ${one.transition === "firing" ? "fired" : `was ${one.transition}`} at ${time(one.at_ms, tz)}`;
  if (one.reason === "no_data") return `${what}: nothing came any more in the window ${window}. Its last value was ${plain(one.value)}, against a limit of ${plain(one.threshold)}.`;
  return `${what} on the ${one.decided_on} window ${window}: ${plain(one.value)} against a limit of ${plain(one.threshold)} (${one.reason}).`;
}

function time(ms: number, tz: string): string {
  return new Intl.DateTimeFormat("en-GB", { timeZone: tz, day: "numeric", month: "short", hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" }).format(ms);
}
