// The evidence of an alert: the rows that its rule reads, its limit, and the windows that it was decided on.
import { answerOf, lineOf, windowsOf } from "../../api/answers.ts";
import { nowMs } from "../../api/client.ts";
import { conditionOf } from "../../api/condition.ts";
import { queryPath } from "../../api/query.ts";
import type { Answers } from "../../api/answers.ts";
import type { components } from "../../api/schema.d.ts";
import { LineChart } from "../../charts/line.tsx";
import type { Line } from "../../charts/types.ts";
import { figure as figureText } from "../../format/figures.ts";
import { Answered } from "../../parts/answered.tsx";
import { address, linkTo } from "../../state/address.ts";
import { useAsked } from "../../state/question.ts";
import { isZone } from "../../time/instants.ts";
import { asksOf } from "./rule.ts";

type History = components["schemas"]["HistoryBody"];

/** Rows of 10 s are kept for 6 hours. */
const FINE_MS = 5.5 * 3_600_000;
const [BEFORE_MS, AFTER_MS] = [15 * 60_000, 10 * 60_000];

export function Evidence({ history }: { history: History }) {
  const { tz } = address.value;
  const newest = history.transitions[0]!;
  const asks = asksOf(newest.expr);
  const known = useAsked<{ labels: { label: string }[] }>(asks && `/v1/metrics/${encodeURIComponent(asks.metric)}/labels`);
  const at = newest.window_start_ms;
  const [from, to] = [String(at - BEFORE_MS), at + AFTER_MS > nowMs() ? "now" : String(at + AFTER_MS)];
  const where = Object.entries(history.labels).filter(([label]) => known.data?.labels.some((each) => each.label === label)).map(([label, value]) => conditionOf(label, value));
  const resolution = nowMs() - at < FINE_MS ? asks?.resolution : "auto";
  const question = asks && { id: "rows", metric: asks.metric, aggregates: [asks.figure], where, resolution: resolution! };
  const asked = useAsked<Answers>(question && known.data && queryPath({ from, to, tz: isZone(tz) ? tz : "UTC", questions: [question] }), to === "now" ? 10_000 : 0);
  if (!asks) return null;
  return (
    <>
      <div class="evidence"><Answered asked={known.data ? asked : { ...asked, data: null, error: known.error, askingSinceMs: known.askingSinceMs }} height={220}>{(answers) => {
        const answer = answerOf(answers, "rows");
        if (!answer?.series[0]) return <p class="muted">The rows that it was decided on are not kept any more.</p>;
        const windows = windowsOf(answer);
        const line = lineOf(answer.series[0], asks.figure, asks.figure, 1);
        const decided = new Set(history.transitions.map((each) => each.window_start_ms));
        const marked: Line = { name: "decided", tone: 2, values: line.values.map((value, index) => (decided.has(windows.startMs[index]!) ? value : null)) };
        return (
          <LineChart title={`${asks.figure} of ${asks.metric}`} name={`${asks.figure} of ${asks.metric} around the window that the alert was decided on`} question={newest.expr + from}
            windows={windows} lines={[line, marked]} limits={[{ value: newest.threshold, name: "limit" }]} format={(value) => figureText(value, asks.figure === "count" ? "" : answer.unit)} height={220} />
        );
      }}</Answered></div>
      <p class="actions"><a href={linkTo({ page: "explore", item: "", from, to, where, by: [], sel: "", extra: { metric: asks.metric, agg: asks.figure } })}>Explore these rows</a></p>
    </>
  );
}
