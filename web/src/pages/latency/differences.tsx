// What differs in the selection of a heat map: label values that are more common in it than elsewhere.
import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { change } from "../../api/client.ts";
import { type Problem, ProblemError } from "../../api/problem.ts";
import { count, figure, percent } from "../../format/figures.ts";
import { Copy } from "../../parts/copy.tsx";
import { ProblemNote } from "../../parts/problem.tsx";
import { address, go } from "../../state/address.ts";
import { addFilter, clock, setRange } from "../../summaries/asking.ts";
import { type Area, type Difference, differenceText, telling } from "../../summaries/latency.ts";

interface Found {
  of: string;
  list?: Difference[];
  error?: Problem;
}

/** Asks when the selection, the range or the filter changes; an answer to an older selection is not shown. */
export function Differences({ metric, selection, unit }: { metric: string; selection: Area | null; unit: string }) {
  const { from, to, tz, where, sel } = address.value;
  const found = useSignal<Found>({ of: "" });
  const turn = useSignal(0);
  const key = `${sel} ${from} ${to} ${where.join("&")} ${turn.value}`;
  useEffect(() => {
    if (!selection) return undefined;
    let isWanted = true;
    const part = { from: selection.fromMs, to: selection.toMs, low: selection.low, high: selection.high };
    change<{ differences: Difference[] }>("POST", "/v1/differences", { metric, from, to, tz, where, selection: part })
      .then((answer) => isWanted && (found.value = { of: key, list: answer.differences }))
      .catch((error: unknown) => {
        if (!(error instanceof ProblemError)) throw error;
        if (isWanted) found.value = { of: key, error: error.problem };
      });
    return () => {
      isWanted = false;
    };
  }, [key]);
  if (!selection)
    return (
      <aside class="panel" aria-label="What differs">
        <h2>What differs</h2>
        <p class="muted">Drag over a part of the heat map (hold first on a touch screen), or walk there with the arrows and press Enter twice: here stands which labels are more common in it than elsewhere.</p>
      </aside>
    );
  const { of, list, error } = found.value;
  return (
    <aside class="panel" aria-label="What differs" aria-busy={of !== key}>
      <h2>What differs</h2>
      <p class="meta">{clock(selection.fromMs)} to {clock(selection.toMs)}, {figure(selection.low, unit)} to {figure(selection.high, unit)}</p>
      <p class="actions">
        <button onClick={() => setRange(selection.fromMs, selection.toMs)}>Zoom in</button>
        <button onClick={() => go({ sel: "" })}>Clear</button>
      </p>
      {of !== key && <p class="muted" role="status">Asking …</p>}
      {of === key && error && <ProblemNote problem={error} onAgain={() => (turn.value += 1)} />}
      {of === key && list && <List found={telling(list)} isEmpty={!list.some((one) => one.inside > 0)} />}
    </aside>
  );
}

function List({ found, isEmpty }: { found: Difference[]; isEmpty: boolean }) {
  if (isEmpty) return <p class="muted">Nothing was counted in this selection.</p>;
  if (!found.length) return <p class="muted">Nothing: labels are as common in the selection as elsewhere.</p>;
  return (
    <>
      <ul class="differ">
        {found.map((one) => (
          <li key={`${one.label}=${one.value}`}>
            <span><span class="muted">{one.label}</span> {one.value || "(absent)"}</span>
            <span class="number" title={`${count(one.inside)} in the selection, ${count(one.outside)} elsewhere`}>{percent(one.inside_share)} <span class="muted">against {percent(one.outside_share)}</span></span>
            <svg viewBox="0 0 100 6" preserveAspectRatio="none" role="img" aria-label={differenceText(one)}>
              <rect class="in" width={100 * one.inside_share} height="3" />
              <rect class="out" width={100 * one.outside_share} y="3" height="3" />
            </svg>
            {one.value && (
              <span class="actions">
                <button class="plain" onClick={() => addFilter(one.label, one.value)}>Add filter</button>
                <button class="plain" onClick={() => addFilter(one.label, one.value, true)}>Exclude</button>
              </span>
            )}
          </li>
        ))}
      </ul>
      <Copy text={found.map(differenceText).join("\n")} name="Copy as text" />
    </>
  );
}
