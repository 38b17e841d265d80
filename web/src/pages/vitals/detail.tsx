// One page's vitals: how its loads are spread, by kind of navigation, and FID where old libraries still send it.
import { conditionOf } from "../../api/condition.ts";
import { HeatMap } from "../../charts/heat.tsx";
import { figure, sampled } from "../../format/figures.ts";
import { Answered } from "../../parts/answered.tsx";
import { DataTable } from "../../parts/data_table.tsx";
import { FID, type Vital, judged, quantileOf } from "../../parts/ratings.ts";
import { address, go } from "../../state/address.ts";
import { useLive } from "../../state/question.ts";
import { type Answer, type Answers, answerOf, figureOf, histogramsOf, lineOf, nameOf, windowsOf } from "../../api/answers.ts";
import { addFilter, coarse, followed, pathOf } from "../../summaries/asking.ts";
import { intervalText, quantileText } from "../../summaries/vitals.ts";

export function VitalDetail({ page, vital, quantile }: { page: string; vital: Vital; quantile: string }) {
  const at = address.value;
  const where = [conditionOf("page", page === "(no page)" ? "" : page)];
  const whole = { aggregates: [quantile, "count"], resolution: "range", where };
  const asked = useLive<Answers>(pathOf(at, [
    { id: "spread", metric: vital.metric, aggregates: ["histogram", quantile], resolution: coarse(at, 60), where },
    { id: "kinds", metric: vital.metric, ...whole, by: ["navigation_type"] },
    { id: "fid", metric: FID.metric, ...whole },
  ]), followed(at));
  return (
    <section class="panel" aria-label={`${page} in detail`}>
      <div class="choices">
        <h2>{page}</h2>
        <button onClick={() => addFilter("page", page)}>Filter by this page</button>
        <button onClick={() => go({ sel: "" })}>Close</button>
      </div>
      <Answered asked={asked}>{(answers) => {
        const spread = answerOf(answers, "spread");
        const fid = figureOf(answerOf(answers, "fid")?.series[0], quantile);
        return (
          <>
            {spread?.series[0] && (
              <HeatMap title={`${vital.name} of ${page}`} name={`How ${vital.name} of ${page} is spread over time`} windows={windowsOf(spread)} histograms={histogramsOf(spread)}
                lines={[lineOf(spread.series[0], quantile, quantile, 1)]} format={(value) => figure(value, vital.unit)} counted="loads" />
            )}
            <Kinds answer={answerOf(answers, "kinds")} vital={vital} quantile={quantile} />
            {fid.value !== null && <p class="meta">FID {quantile} {quantileText(fid, FID.unit, quantile, FID.limits)}, {sampled(fid.samples, "load")} of old libraries.</p>}
          </>
        );
      }}</Answered>
    </section>
  );
}

function Kinds({ answer, vital, quantile }: { answer: Answer | undefined; vital: Vital; quantile: string }) {
  if (!answer?.series.length) return null;
  return (
    <DataTable
      caption="By kind of navigation" rows={answer.series} keyOf={(one) => nameOf(one.labels, ["navigation_type"])} sort={{ column: "Loads", isDescending: true }}
      columns={[
        { name: "Navigation", isText: true, cell: (one) => nameOf(one.labels, ["navigation_type"]), shown: (one) => nameOf(one.labels, ["navigation_type"]) },
        { name: "Loads", cell: (one) => figureOf(one, "count").value, shown: (one) => (figureOf(one, "count").value ?? 0).toLocaleString("en") },
        { name: `${vital.name} ${quantile}`, cell: (one) => figureOf(one, quantile).value, shown: (one) => {
          const found = figureOf(one, quantile);
          const { rating } = judged(found.value, found.samples, quantileOf(quantile), vital.limits);
          return `${quantileText(found, vital.unit, quantile, vital.limits)}${rating ? `, ${rating}` : ""}`;
        } },
        { name: "Interval", isExtra: true, shown: (one) => intervalText(figureOf(one, quantile), vital.unit) },
      ]}
    />
  );
}
