// Conditions of the page as chips, and a box that completes labels and values.
import { signal, useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { get } from "../api/client.ts";
import { conditionOf } from "../api/condition.ts";
import { ProblemError } from "../api/problem.ts";
import { address, go } from "../state/address.ts";
import { leftOut } from "../state/url.ts";

/** The metric whose labels are offered: a page sets its own. */
export const completedMetric = signal("api.response_seconds");

/** Whether the box is open. */
export const isFiltering = signal(false);

const CONDITION = /^[^=!~]+(=|!=|~|!~)/;

/** Adds a condition to the page. */
export function addCondition(text: string): void {
  const { where } = address.peek();
  if (!where.includes(text)) go({ where: [...where, text] });
}

export function FilterBar() {
  const { where } = address.value;
  return (
    <div class="filter-bar">
      {leftOut(location.search).map((text) => <span key={text} class="meta" role="alert">{text}</span>)}
      <ul class="chips" aria-label="Filter">
        {where.map((text) => (
          <li key={text} class="chip">
            <span title={text}>{text}</span>
            <button class="plain" aria-label={`Remove ${text}`} onClick={() => go({ where: where.filter((each) => each !== text) })}>✕</button>
          </li>
        ))}
      </ul>
      {isFiltering.value ? <Box /> : <button id="filter" onClick={() => (isFiltering.value = true)}>+ filter</button>}
    </div>
  );
}

function Box() {
  const text = useSignal("");
  const offered = useSignal<readonly string[]>([]);
  const input = useRef<HTMLInputElement>(null);
  useEffect(() => input.current?.focus(), []);
  const written = text.value;
  useEffect(() => {
    const abort = new AbortController();
    complete(written, abort.signal).then(
      (found) => { offered.value = found; },
      (error: unknown) => { if (!abort.signal.aborted && !(error instanceof ProblemError)) throw error; },
    );
    return () => abort.abort();
  }, [written]);
  const close = () => {
    isFiltering.value = false;
    requestAnimationFrame(() => document.getElementById("filter")?.focus());
  };
  const submit = (event: Event) => {
    event.preventDefault();
    if (CONDITION.test(written)) addCondition(written);
    if (CONDITION.test(written) || !written) close();
  };
  return (
    <form class="filter-box" onSubmit={submit} onKeyDown={(event) => event.key === "Escape" && close()}>
      <input ref={input} list="conditions" aria-label="Condition, such as endpoint=/checkout" placeholder="label=value" maxLength={1000}
        value={written} onInput={({ currentTarget }) => (text.value = currentTarget.value)} />
      <datalist id="conditions">{offered.value.map((each) => <option key={each} value={each} />)}</datalist>
      <button class="primary" disabled={!CONDITION.test(written)}>Add</button>
      <button type="button" onClick={close}>Cancel</button>
    </form>
  );
}

async function complete(text: string, abort: AbortSignal): Promise<string[]> {
  const metric = encodeURIComponent(completedMetric.peek());
  const sign = CONDITION.exec(text);
  if (!sign) {
    const { labels } = await get<{ labels: { label: string }[] }>(`/v1/metrics/${metric}/labels`, abort);
    return labels.map(({ label }) => `${label}=`);
  }
  const label = text.slice(0, sign[0].length - sign[1]!.length).trim();
  const prefix = text.slice(sign[0].length);
  const { values } = await get<{ values: string[] }>(`/v1/labels/${encodeURIComponent(label)}/values?limit=20&metric=${metric}&prefix=${encodeURIComponent(prefix)}`, abort);
  return values.map((value) => conditionOf(label, value, sign[1]!.startsWith("!")));
}
