// Silences that have not ended: about what, by whom and why, until when, and how many alerts they hold back.
import { useSignal } from "@preact/signals";
import type { components } from "../../api/schema.d.ts";
import { change, nowMs } from "../../api/client.ts";
import { type Problem, ProblemError } from "../../api/problem.ts";
import { count, duration } from "../../format/numbers.ts";
import { DataTable } from "../../parts/data_table.tsx";
import { ProblemNote } from "../../parts/problem.tsx";
import { preferences } from "../../state/preferences.ts";
import { useAsked } from "../../state/question.ts";
import { mayAct } from "./acts.tsx";

type Body = components["schemas"]["SilencesBody"];
type Silence = Body["silences"][number];

export function Silences() {
  const asked = useAsked<Body>("/v1/silences", 15_000);
  const problem = useSignal<Problem | null>(null);
  if (!asked.data?.silences.length) return null;
  const now = nowMs();
  const end = async (silence: Silence) => {
    try {
      const who = preferences.value.person.trim();
      await change("DELETE", `/v1/silences/${encodeURIComponent(silence.id)}${who ? `?author=${encodeURIComponent(who)}` : ""}`);
      problem.value = null;
    } catch (error) {
      if (!(error instanceof ProblemError)) throw error;
      problem.value = error.problem;
    }
    asked.again();
  };
  const about = (one: Silence) => one.matchers.map(({ name, operator, value }) => `${name}${operator}${value}`).join(" ");
  return (
    <section class="panel">
      {problem.value && <ProblemNote problem={problem.value} />}
      <DataTable caption="Silences" rows={asked.data.silences} keyOf={(one) => one.id} sort={{ column: "Ends in", isDescending: false }} columns={[
        { name: "About", isText: true, shown: (one) => <code>{about(one)}</code> },
        { name: "Alerts now", cell: (one) => one.alerts, shown: (one) => (one.alerts ? count(one.alerts) : "none") },
        { name: "Ends in", cell: (one) => one.ends_ms, shown: (one) => (one.state === "pending" ? `begins in ${duration(one.starts_ms - now)}` : duration(Math.max(1000, one.ends_ms - now))) },
        { name: "By", isText: true, isExtra: true, shown: (one) => one.author },
        { name: "Why", isText: true, isExtra: true, shown: (one) => one.comment },
        { name: "", isText: true, shown: (one) => mayAct.value && <button aria-label={`End the silence of ${about(one)}`} onClick={() => void end(one)}>End</button> },
      ]} />
      {asked.data.truncated && <p class="note">There are more than 1,000: these end last.</p>}
    </section>
  );
}
