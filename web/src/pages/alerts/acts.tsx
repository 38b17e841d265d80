// What may be done about an alert: say that somebody is at it, or silence it. Each asks first, and says who it was.
import { computed, useSignal } from "@preact/signals";
import { change, nowMs } from "../../api/client.ts";
import { type Problem, ProblemError } from "../../api/problem.ts";
import { ago } from "../../format/numbers.ts";
import { Dialog } from "../../parts/dialog.tsx";
import { ProblemNote } from "../../parts/problem.tsx";
import { type Alert, ruleName, subject } from "../../state/alerts.ts";
import { prefer, preferences } from "../../state/preferences.ts";
import { session } from "../../state/session.ts";
import { SilenceForm } from "./silence_form.tsx";

/** Whether who looks may act on alerts. */
export const mayAct = computed(() => session.value?.scope === "oncall" || session.value?.scope === "admin");

/** Who is at an alert, and whether it is silenced. */
export function Standing({ alert }: { alert: Alert }) {
  const { acknowledged: ack, assigned_to, resolved_by_hand, silenced_by } = alert;
  return (
    <>
      {ack && <> · acknowledged by {ack.actor} {ago(Math.max(1000, nowMs() - ack.at_ms))}{ack.text ? `: ${ack.text}` : ""}</>}
      {assigned_to && <> · given to {assigned_to}</>}
      {resolved_by_hand && <> · resolved by hand by {resolved_by_hand.actor}</>}
      {silenced_by.length > 0 && <> · silenced</>}
    </>
  );
}

/** The buttons of an alert that lasts. */
export function Acts({ alert, onDone }: { alert: Alert; onDone(): void }) {
  const open = useSignal<"ack" | "silence" | null>(null);
  if (!mayAct.value || alert.state === "resolved") return null;
  const name = `${ruleName(alert)} ${subject(alert)}`.trim();
  const close = () => (open.value = null);
  const done = () => { close(); onDone(); };
  return (
    <span class="actions alert-acts">
      {!alert.acknowledged && <button aria-label={`Acknowledge ${name}`} onClick={() => (open.value = "ack")}>Acknowledge</button>}
      <button aria-label={`Silence ${name}`} onClick={() => (open.value = "silence")}>Silence</button>
      {open.value === "ack" && <Acknowledge alert={alert} name={name} onClose={close} onDone={done} />}
      {open.value === "silence" && <Dialog title={`Silence ${name}`} onClose={close}><SilenceForm labels={alert.labels} onDone={done} /></Dialog>}
    </span>
  );
}

function Acknowledge({ alert, name, onClose, onDone }: { alert: Alert; name: string; onClose(): void; onDone(): void }) {
  const text = useSignal("");
  const problem = useSignal<Problem | null>(null);
  const send = async () => {
    try {
      await change("POST", `/v1/alerts/${encodeURIComponent(alert.alert_id)}/ack`, { episode_ms: alert.episode_ms, actor: preferences.value.person.trim(), text: text.value.trim() });
      onDone();
    } catch (error) {
      if (!(error instanceof ProblemError)) throw error;
      problem.value = error.problem;
    }
  };
  return (
    <Dialog title={`Acknowledge ${name}`} onClose={onClose}>
      <p>It is shown with the alert until this episode ends. Receivers are told all the same when it does.</p>
      <form class="form" onSubmit={(event) => { event.preventDefault(); void send(); }}>
        <Person />
        <label>What you do <input value={text.value} maxLength={2000} placeholder="rolling back" onInput={({ currentTarget }) => (text.value = currentTarget.value)} /></label>
        {problem.value && <ProblemNote problem={problem.value} />}
        <p class="actions"><button class="primary">Acknowledge</button></p>
      </form>
    </Dialog>
  );
}

/** Who it is; this browser remembers. */
export function Person() {
  return (
    <label>Your name <input required value={preferences.value.person} maxLength={200} placeholder="mk" onInput={({ currentTarget }) => prefer({ person: currentTarget.value })} /></label>
  );
}
