// A refusal or a failure: a sentence, its code, what can be done, and the id to tell an operator.
import type { Problem } from "../api/problem.ts";
import { address, go } from "../state/address.ts";
import type { Address } from "../state/url.ts";
import { wallText } from "../time/instants.ts";
import { absolute, spanOf } from "../time/ranges.ts";
import { nowMs } from "../api/client.ts";
import { Copy } from "./copy.tsx";

export function ProblemNote({ problem, onAgain }: { problem: Problem; onAgain?: () => void }) {
  const cheaper = cheaperOf(problem.try ?? {});
  return (
    <section class="problem" role="alert">
      <p><strong>{problem.title}.</strong> {problem.detail}</p>
      <p class="meta">Code <code>{problem.code}</code>{problem.pointer ? <> at <code>{problem.pointer}</code></> : null}</p>
      <p class="actions">
        {onAgain && <button onClick={onAgain}>Try again</button>}
        {cheaper && <button class="primary" onClick={() => go(cheaper.change)}>Ask {cheaper.name} instead</button>}
        {problem.request_id && <Copy text={problem.request_id} name="Copy request id" />}
      </p>
    </section>
  );
}

/** The cheaper question that a refusal names, as a change of the address; null where it names none that can be asked as it is. */
function cheaperOf(instead: Record<string, unknown>): { change: Partial<Address>; name: string } | null {
  const { from, by, where, ...words } = instead;
  const { tz: zone, extra } = address.value;
  const wanted = spanOf(address.value, zone, nowMs())?.toMs ?? 0;
  const end = typeof from === "number" && wanted > from ? wanted : nowMs();
  // A little shorter, since ranges are made whole at both ends.
  if (typeof from === "number") return { change: absolute(from + (end - from) / 20, end, zone), name: `since ${wallText(from, zone).slice(0, 16).replace("T", " ")}` };
  if (typeof from === "string") return { change: { from }, name: `from ${from}` };
  if (Array.isArray(by)) return { change: { by: by as string[] }, name: by.length ? `by ${by.join(", ")}` : "without groups" };
  // An example of a condition is not a question.
  const asked = Object.entries(words).filter((entry): entry is [string, string] => ["kind", "unit", "resolution"].includes(entry[0]) && typeof entry[1] === "string");
  return asked.length ? { change: { extra: { ...extra, ...Object.fromEntries(asked) } }, name: asked.map(([name, value]) => `${name} ${value}`).join(", ") } : null;
}
