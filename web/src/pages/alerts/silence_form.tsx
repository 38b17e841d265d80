// The form of a silence: what it is about, with how many alerts that is now and was in seven days, until when, why and by whom.
import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import type { components } from "../../api/schema.d.ts";
import { change, nowMs } from "../../api/client.ts";
import { type Problem, ProblemError } from "../../api/problem.ts";
import { count } from "../../format/numbers.ts";
import { Copy } from "../../parts/copy.tsx";
import { ProblemNote } from "../../parts/problem.tsx";
import { address } from "../../state/address.ts";
import { preferences } from "../../state/preferences.ts";
import { Person } from "./acts.tsx";
import { commandOf, matchersOf, secondsOf, SPANS } from "./silence.ts";

type Preview = components["schemas"]["PreviewBody"];

export function SilenceForm({ labels, onDone }: { labels: Readonly<Record<string, string>>; onDone(): void }) {
  const all = matchersOf(labels);
  const left = useSignal<ReadonlySet<string>>(new Set());
  const [span, comment] = [useSignal(0), useSignal("")];
  const preview = useSignal<Preview | null>(null);
  const problem = useSignal<Problem | null>(null);
  const matchers = all.filter(({ name }) => !left.value.has(name));
  const asked = JSON.stringify(matchers);
  const attempt = async (work: () => Promise<void>) => {
    try {
      await work();
      problem.value = null;
    } catch (error) {
      if (!(error instanceof ProblemError)) throw error;
      problem.value = error.problem;
    }
  };
  useEffect(() => {
    let isLatest = true;
    preview.value = null;
    void attempt(async () => {
      const found = await change<Preview>("POST", "/v1/silences/preview", { matchers });
      if (isLatest) preview.value = found;
    });
    return () => { isLatest = false; };
  }, [asked]);
  const seconds = secondsOf(SPANS[span.value]!, nowMs(), address.value.tz);
  const send = () => attempt(async () => {
    await change("POST", "/v1/silences", { matchers, lasts_s: seconds, author: preferences.value.person.trim(), comment: comment.value.trim() });
    onDone();
  });
  const turn = (name: string) => (left.value = new Set(left.value.has(name) ? [...left.value].filter((each) => each !== name) : [...left.value, name]));
  return (
    <form class="form" onSubmit={(event) => { event.preventDefault(); void send(); }}>
      <fieldset>
        <legend>Alerts that have</legend>
        {all.map(({ name, value }) => (
          <label key={name}><input type="checkbox" checked={!left.value.has(name)} onChange={() => turn(name)} /> <code>{name}={value}</code></label>
        ))}
      </fieldset>
      <p role="status">{preview.value ? `${count(preview.value.now)} now, and ${count(preview.value.last_7_days)} that fired in the last 7 days.` : " "}</p>
      <label>Silence them <select value={String(span.value)} onChange={({ currentTarget }) => (span.value = Number(currentTarget.value))}>{SPANS.map(({ name }, at) => <option key={name} value={String(at)}>{name}</option>)}</select></label>
      <Person />
      <label>Why <input required value={comment.value} maxLength={2000} placeholder="deploy of 14:00" onInput={({ currentTarget }) => (comment.value = currentTarget.value)} /></label>
      <p class="meta">What fires still when it ends is told then; who was told that an alert fires is told that it ends.</p>
      {problem.value && <ProblemNote problem={problem.value} />}
      <p class="actions"><button class="primary" disabled={!matchers.length}>Silence</button> <Copy text={commandOf(matchers, seconds, comment.value)} name="Copy as command" /></p>
    </form>
  );
}
