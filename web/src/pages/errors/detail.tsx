// One kind of error: its newest stack, and its latest events.
import { counted } from "../../format/figures.ts";
import { Copy } from "../../parts/copy.tsx";
import { go } from "../../state/address.ts";
import { clock } from "../../summaries/asking.ts";
import { type ErrorRow, stackOf } from "../../summaries/errors.ts";

const MOST_SHOWN = 50;

export function ErrorDetail({ row }: { row: ErrorRow }) {
  const newest = row.latest[0];
  const stack = newest ? stackOf(newest) : [];
  return (
    <section class="panel" aria-label={`${row.name} in detail`}>
      <div class="choices">
        <h2>{row.name || "(no kind)"}</h2>
        <button onClick={() => go({ sel: "" })}>Close</button>
      </div>
      <p>{row.message || "Without a message."}</p>
      <p class="meta">{counted(row.count, "time")}{row.users ? ` at ${counted(row.users, "user")}` : ""}, first at {clock(row.firstMs)}, last at {clock(row.lastMs)}{row.releases.length ? `, release ${row.releases.join(", ")}` : ""}.</p>
      {stack.length ? (
        <ol class="mono">{stack.map((call, at) => <li key={at}>{call.function} <span class="muted">{call.where}</span></li>)}</ol>
      ) : (
        <p class="muted">The client sent no stack.</p>
      )}
      <details>
        <summary>The latest {counted(Math.min(MOST_SHOWN, row.latest.length), "event")}</summary>
        <ul>
          {row.latest.slice(0, MOST_SHOWN).map((event) => (
            <li key={event.event_id} class="meta">{clock(event.ts_ms)} · {event.user_id || "no user"} · {String(event.properties["url"] ?? "")} <span class="mono">{event.event_id}</span></li>
          ))}
        </ul>
      </details>
      {newest && <Copy text={JSON.stringify(newest, null, 2)} name="Copy the newest as JSON" />}
    </section>
  );
}
