// Keys: who may send and who may look. A new key is shown once; only an admin sees this.
import { useSignal } from "@preact/signals";
import { change, nowMs } from "../api/client.ts";
import { type Problem, ProblemError } from "../api/problem.ts";
import type { components } from "../api/schema.d.ts";
import { ago, duration } from "../format/numbers.ts";
import { Answered } from "../parts/answered.tsx";
import { Copy } from "../parts/copy.tsx";
import { DataTable } from "../parts/data_table.tsx";
import { Dialog } from "../parts/dialog.tsx";
import { Empty } from "../parts/empty.tsx";
import { ProblemNote } from "../parts/problem.tsx";
import { useAsked } from "../state/question.ts";
import { session } from "../state/session.ts";

type Schemas = components["schemas"];
type Key = Schemas["KeyBody"];

const SCOPES = ["write", "read", "beacon", "oncall", "admin"] as const;

/** How long an old key may be kept beside its successor, s; null: until it is revoked. */
const KEPT: readonly [string, number | null][] = [["until it is revoked", null], ["for an hour", 3600], ["for a day", 86_400], ["for a week", 604_800], ["no longer", 0]];

export default function Keys() {
  const scope = session.value?.scope;
  return (
    <>
      <h1 class="answer">Keys say who may send and who may look.</h1>
      {scope === "admin" ? <Listed /> : <Empty title="Only a key of scope admin may see and change keys">
        <p>{session.value ? `You are logged in with a key of scope ${scope}.` : "You are not logged in."} On the machine itself <code>tidegauge key list</code> and <code>tidegauge key create</code> do the same.</p>
      </Empty>}
    </>
  );
}

/** What a person calls a key, or how it begins. */
const called = (key: Key) => key.name || `${key.prefix}…`;

function Listed() {
  const asked = useAsked<{ keys: Key[] }>("/v1/keys", 15_000);
  const problem = useSignal<Problem | null>(null);
  const fresh = useSignal("");
  const said = useSignal("");
  const open = useSignal<{ key: Key; how: "rotate" | "revoke" } | null>(null);
  const attempt = async (work: () => Promise<void>) => {
    problem.value = null;
    fresh.value = said.value = "";
    open.value = null;
    try {
      await work();
      asked.again();
    } catch (error) {
      if (!(error instanceof ProblemError)) throw error;
      problem.value = error.problem;
    }
  };
  const make = async (path: string, body: unknown) => { fresh.value = (await change<Schemas["MadeBody"]>("POST", path, body)).key; };
  const one = (key: Key) => `/v1/keys/${encodeURIComponent(key.id)}`;
  const revoke = async (key: Key) => {
    const { here_s, everywhere_s } = await change<Schemas["HeededBody"]>("DELETE", one(key));
    said.value = `${called(key)} is revoked: refused within ${here_s} s by the processes that hear of it, within ${everywhere_s} s by all. Requests in flight may still pass.`;
  };
  const { value: asking } = open;
  return (
    <>
      <section class="panel">
        <h2>New key</h2>
        <KeyForm onCreate={(body) => void attempt(() => make("/v1/keys", body))} />
        {fresh.value && <p class="note" role="status">This is the only time that it is shown: <code class="secret">{fresh.value}</code> <Copy text={fresh.value} /></p>}
        {said.value && <p class="note" role="status">{said.value}</p>}
        {problem.value && <ProblemNote problem={problem.value} />}
      </section>
      <section class="panel"><Answered asked={asked} height={240}>{({ keys }) => <KeyTable keys={keys} onAct={(key, how) => (open.value = { key, how })} />}</Answered></section>
      {asking?.how === "rotate" && <Rotate of={asking.key} onClose={() => (open.value = null)} onRotate={(keep_s) => void attempt(() => make(`${one(asking.key)}/rotate`, { keep_s }))} />}
      {asking?.how === "revoke" && (
        <Dialog title={`Revoke ${called(asking.key)}?`} onClose={() => (open.value = null)}>
          <p>Whoever sends or looks with <code>{asking.key.prefix}…</code> is refused: within 2 s here, within 60 s everywhere. It cannot be undone.</p>
          {asking.key.last_used_ms && <p>It was used {ago(nowMs() - asking.key.last_used_ms)}.</p>}
          <p class="actions"><button class="primary" onClick={() => void attempt(() => revoke(asking.key))}>Revoke it</button></p>
        </Dialog>
      )}
    </>
  );
}

function KeyForm({ onCreate }: { onCreate(body: unknown): void }) {
  const [name, scope, origins] = [useSignal(""), useSignal<string>("write"), useSignal("")];
  const create = (event: Event) => {
    event.preventDefault();
    onCreate({ name: name.value.trim(), scope: scope.value, origins: origins.value.split(/[\s,]+/).filter(Boolean) });
    name.value = "";
  };
  return (
    <form class="form row" onSubmit={create}>
      <label>Name <input value={name.value} maxLength={80} placeholder="checkout, production" onInput={({ currentTarget }) => (name.value = currentTarget.value)} /></label>
      <label>Scope <select value={scope.value} onChange={({ currentTarget }) => (scope.value = currentTarget.value)}>{SCOPES.map((each) => <option key={each}>{each}</option>)}</select></label>
      <label>Origins of pages{scope.value === "beacon" ? "" : ", if pages use it"} <input required={scope.value === "beacon"} value={origins.value} placeholder="https://shop.example" spellcheck={false} onInput={({ currentTarget }) => (origins.value = currentTarget.value)} /></label>
      <button class="primary">Create</button>
    </form>
  );
}

function Rotate({ of, onClose, onRotate }: { of: Key; onClose(): void; onRotate(keepS: number | null): void }) {
  const kept = useSignal(0);
  return (
    <Dialog title={`Rotate ${called(of)}`} onClose={onClose}>
      <p>A successor with the same rights is made, and shown once. The old key stays good as long as you say.</p>
      <form class="form" onSubmit={(event) => { event.preventDefault(); onRotate(KEPT[kept.value]![1]); }}>
        <label>The old key is good <select value={String(kept.value)} onChange={({ currentTarget }) => (kept.value = Number(currentTarget.value))}>{KEPT.map(([text], at) => <option key={text} value={String(at)}>{text}</option>)}</select></label>
        <p class="actions"><button class="primary">Make its successor</button></p>
      </form>
    </Dialog>
  );
}

function stateOf(key: Key, now: number): string {
  const ends = key.ends_ms ? `, ends in ${duration(Math.max(1000, key.ends_ms - now))}` : "";
  return key.state === "live" ? `in use${ends}` : key.state === "rotated" ? `has a successor${ends}` : "revoked";
}

function KeyTable({ keys, onAct }: { keys: readonly Key[]; onAct(key: Key, how: "rotate" | "revoke"): void }) {
  const now = nowMs();
  const past = (ms: number | null | undefined) => (ms ? ago(Math.max(1000, now - ms)) : "never");
  return (
    <DataTable caption="Keys of this tenant" rows={keys} keyOf={(key) => key.id} sort={{ column: "Made", isDescending: true }} columns={[
      { name: "Key", isText: true, cell: called, shown: (key) => <>{key.name || <span class="muted">no name</span>} <code class="muted">{key.prefix}…</code></> },
      { name: "Scope", isText: true, cell: (key) => key.scope, shown: (key) => key.scope },
      { name: "Origins", isText: true, isExtra: true, shown: (key) => key.origins.join(", ") || "any" },
      { name: "Made", isExtra: true, cell: (key) => key.made_ms, shown: (key) => past(key.made_ms) },
      { name: "Last used", isExtra: true, cell: (key) => key.last_used_ms ?? 0, shown: (key) => past(key.last_used_ms) },
      { name: "State", isText: true, isExtra: true, cell: (key) => key.state, shown: (key) => stateOf(key, now) },
      { name: "", isText: true, shown: (key) => key.state !== "revoked" && (
        <span class="actions">
          {key.state === "live" && <button aria-label={`Rotate ${called(key)}`} onClick={() => onAct(key, "rotate")}>Rotate</button>}
          <button aria-label={`Revoke ${called(key)}`} onClick={() => onAct(key, "revoke")}>Revoke</button>
        </span>
      ) },
    ]} />
  );
}
