// Connect your app: a snippet with a key of its own, and whether its first point has come; what was refused is said with its field.
import { signal, useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { type Answers, answerOf } from "../api/answers.ts";
import { change, intakeUrl, nowMs } from "../api/client.ts";
import { type Problem, ProblemError } from "../api/problem.ts";
import type { components } from "../api/schema.d.ts";
import { Spark } from "../charts/spark.tsx";
import { Answered } from "../parts/answered.tsx";
import { Choice } from "../parts/choice.tsx";
import { Copy } from "../parts/copy.tsx";
import { ProblemNote } from "../parts/problem.tsx";
import { address, go, linkTo, linkToPage } from "../state/address.ts";
import { useAsked, useQuery } from "../state/question.ts";
import { session } from "../state/session.ts";
import { type Came, since, told } from "./connect/arrival.ts";
import { FIRST_METRIC, SNIPPETS, type Snippet } from "./connect/snippets.ts";

type Schemas = components["schemas"];
type Ledger = Schemas["LedgerBody"];

/** Another address of the intake, as somebody typed it on this page. It is not in the URL: a link could then send keys elsewhere. */
const typedIntake = signal<string | null>(null);

/** Digits that no point before has had. */
function digits(): string {
  return [...crypto.getRandomValues(new Uint8Array(3))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

export default function Connect() {
  const { extra } = address.value;
  const check = useRef(digits()).current;
  const key = useSignal<{ scope: string; text: string } | null>(null);
  const chosen = SNIPPETS.find(({ id }) => id === extra.with) ?? SNIPPETS.find(({ id }) => id === "curl")!;
  const intake = typedIntake.value || intakeUrl.value || location.origin;
  const own = key.value?.scope === chosen.scope ? key.value.text : null;
  const text = chosen.text({ intake, check, key: own ?? (chosen.id === "curl" || chosen.id === "otlp" ? "$TIDEGAUGE_WRITE_KEY" : `YOUR_${chosen.scope.toUpperCase()}_KEY`) });
  return (
    <>
      <h1 class="answer">Post a point and see it here within two seconds.</h1>
      <div class="beside even">
        <section class="panel" aria-labelledby="snippet">
          <h2 id="snippet">1. Paste this into your app</h2>
          <Choice name="You have" options={SNIPPETS.map(({ id, name }) => ({ value: id, text: name }))} chosen={chosen.id} onChoose={(id) => go({ extra: { ...extra, with: id } })} />
          <p>{chosen.about}</p>
          <pre class="code" tabIndex={0} aria-label={`Snippet for ${chosen.name}`}>{text}</pre>
          <p class="actions"><Copy text={text} /></p>
          <KeyMaker scope={chosen.scope} isMade={own !== null} onMade={(made) => (key.value = { scope: chosen.scope, text: made })} />
          <div class="form"><label>Address of the intake <input value={typedIntake.value ?? intake} spellcheck={false} onInput={({ currentTarget }) => (typedIntake.value = currentTarget.value)} /></label></div>
        </section>
        <FirstPoint chosen={chosen} check={check} intake={intake} />
      </div>
    </>
  );
}

/** An admin has a key made on the spot; anybody else is told where one comes from. */
function KeyMaker({ scope, isMade, onMade }: { scope: Snippet["scope"]; isMade: boolean; onMade(key: string): void }) {
  const origin = useSignal("");
  const problem = useSignal<Problem | null>(null);
  if (session.value?.scope !== "admin")
    return <p class="meta">The key must have scope {scope}. An admin makes one under <a href={linkToPage("keys")}>Keys</a>, or <code>tidegauge key create --scope {scope}</code> on the machine.</p>;
  if (isMade) return <p class="note" role="status">The snippet holds a new key of scope {scope}. It is shown only now; <a href={linkToPage("keys")}>Keys</a> can end it.</p>;
  const make = async (event: Event) => {
    event.preventDefault();
    try {
      const made = await change<Schemas["MadeBody"]>("POST", "/v1/keys", { scope, name: "from Connect", origins: origin.value.split(/[\s,]+/).filter(Boolean) });
      problem.value = null;
      onMade(made.key);
    } catch (error) {
      if (!(error instanceof ProblemError)) throw error;
      problem.value = error.problem;
    }
  };
  return (
    <form class="form row" onSubmit={make}>
      {scope === "beacon" && <label>Origin of your pages <input required value={origin.value} placeholder="https://shop.example" spellcheck={false} onInput={({ currentTarget }) => (origin.value = currentTarget.value)} /></label>}
      <button>Put a new key into it</button>
      {problem.value && <ProblemNote problem={problem.value} />}
    </form>
  );
}

/** What the ledger and the stream say, against what they said as the page was opened. */
function useArrival(chosen: Snippet, check: string): { came: Came | null; answers: Answers | null; points: ReturnType<typeof useAsked<Ledger>> } {
  const openedMs = useRef(nowMs()).current;
  const storedMs = useSignal<number | null>(null);
  const points = useAsked<Ledger>("/v1/ledger?signal=points", 1_000);
  const events = useAsked<Ledger>("/v1/ledger?signal=events", 1_000);
  const asked = useQuery({ from: "now-5m", to: "now", questions: [
    { id: "came", metric: FIRST_METRIC, where: [`check=${check}`], aggregates: ["count"], resolution: "10s" },
    { id: "refused", metric: "intake.refused", by: ["path", "status", "code"], aggregates: ["count"], resolution: "10s" },
  ] });
  const totals = [points.data?.total, events.data?.total];
  const before = useRef<(Ledger["total"] | undefined)[] | null>(null);
  if (!before.current && totals.every(Boolean)) before.current = totals;
  const count = (values: readonly (number | null)[] | undefined, from = 0) => (values ?? []).slice(from).reduce<number>((all, n) => all + (n ?? 0), 0);
  const refused: Record<string, number> = {};
  const answer = answerOf(asked.data, "refused");
  // A window that was open then may hold a refusal of before: it is said rather than left out.
  const first = Math.max(0, answer?.end_ms.findIndex((ms) => ms > openedMs) ?? 0);
  for (const one of answer?.series ?? []) refused[one.labels.code ?? ""] = (refused[one.labels.code ?? ""] ?? 0) + count(one.values.count, first);
  const received = totals.reduce((all, total, at) => all + Math.max(0, (total?.received ?? 0) - (before.current?.[at]?.received ?? 0)), 0);
  const counted = totals.reduce((all, total, at) => all + Math.max(0, (total?.counted ?? 0) - (before.current?.[at]?.counted ?? 0)), 0);
  const stored = chosen.isChecked ? count(answerOf(asked.data, "came")?.series[0]?.values.count) : received && counted;
  useEffect(() => {
    if (stored && storedMs.value === null) storedMs.value = nowMs();
  }, [stored]);
  if (!before.current) return { came: null, answers: asked.data, points };
  const rejected = Object.assign({}, ...totals.map((total, at) => since(before.current![at]?.rejected ?? {}, total?.rejected ?? {}))) as Record<string, number>;
  return { came: { received, rejected, refused: since({}, refused), stored, openedMs, storedMs: storedMs.value, nowMs: nowMs() }, answers: asked.data, points };
}

function FirstPoint({ chosen, check, intake }: { chosen: Snippet; check: string; intake: string }) {
  const { came, answers, points } = useArrival(chosen, check);
  const said = came && told(came);
  const group = answerOf(answers, "came");
  const values = group?.series[0]?.values.count;
  const see = chosen.isChecked ? linkTo({ page: "explore", item: "", from: "now-15m", to: "now", where: [`check=${check}`], by: [], extra: { metric: FIRST_METRIC, agg: "count" } }) : linkToPage("overview");
  return (
    <section class="panel" aria-labelledby="first">
      <h2 id="first">2. See it come</h2>
      <Answered asked={points} height={120}>
        {() => said && (
          <>
            <p class="arrival" role="status"><span class={said.shape === "●" ? "live-dot" : "muted"} aria-hidden="true">{said.shape}</span> {said.text}{said.shape === "●" && <>, <a href={see}>see it</a></>}</p>
            {values && <Spark values={values} complete={group!.complete} width={240} height={32} />}
            {said.isLate && <Causes chosen={chosen} intake={intake} />}
          </>
        )}
      </Answered>
      <p class="meta">Looked for is {chosen.isChecked ? <>the label <code>check={check}</code></> : "anything that this tenant is sent"}. A request without a key that somebody has belongs to no tenant, and is not seen here. <a href={linkToPage("pipeline")}>What became of everything</a></p>
    </section>
  );
}

/** In the order in which they are most often the cause, each with its test. */
function Causes({ chosen, intake }: { chosen: Snippet; intake: string }) {
  const test = `curl -s -o /dev/null -w "%{http_code}\\n" -X POST ${intake}/v1/telemetry -H "X-API-Key: KEY" -d '{}'`;
  return (
    <section aria-labelledby="causes">
      <h3 id="causes">Nothing came. Five causes, the most frequent first</h3>
      <pre class="code" tabIndex={0} aria-label="A request that tells them apart">{test}</pre>
      <ol class="causes">
        <li><strong>000</strong>: the address is not reached from there. It must be that of the intake, <code>{intake}</code>.</li>
        <li><strong>401</strong>: nobody has that key, or it has ended: compare how it begins with <a href={linkToPage("keys")}>Keys</a>.</li>
        <li><strong>403</strong>: the key is for other origins, or only reads.{chosen.scope === "beacon" && " Works by curl and not in the page? Then it is CORS: make a key for the origin of the page."}</li>
        <li><strong>400 or 415</strong>: the key is good. Is anything sent at all? A script may be blocked, a client may wait for its next batch.</li>
        <li>Something else came back: a proxy answers. The key may also be one of another tenant than {session.value?.tenant ?? "this one"}.</li>
      </ol>
    </section>
  );
}
