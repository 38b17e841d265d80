// The question in four other languages, and its rows as a file: always that of the chart beside it.
import { useSignal } from "@preact/signals";
import type { Query } from "../../api/query.ts";
import { Copy } from "../../parts/copy.tsx";
import { Choice } from "../../parts/choice.tsx";
import { download } from "./export.ts";
import { curlOf, promqlOf, pythonOf, sqlOf } from "./texts.ts";

const LANGUAGES = ["curl", "PromQL", "SQL", "Python"] as const;
const FORMATS = ["csv", "parquet", "arrow"];

export function Languages({ query }: { query: Query }) {
  const chosen = useSignal<string>("curl");
  const said = useSignal("");
  const question = query.questions[0]!;
  const texts: Record<string, () => string> = { curl: () => curlOf(query, location.origin), PromQL: () => promqlOf(question), SQL: () => sqlOf(question), Python: () => pythonOf(query, location.origin) };
  const text = texts[chosen.value]!();
  const fetchFile = async (format: string) => {
    said.value = `Fetching ${format} …`;
    said.value = await download(query, format);
  };
  return (
    <section class="panel" aria-labelledby="elsewhere">
      <h2 id="elsewhere">The same elsewhere</h2>
      <Choice name="As" options={LANGUAGES.map((value) => ({ value, text: value }))} chosen={chosen.value} onChoose={(value) => (chosen.value = value)} />
      <pre class="code" tabIndex={0} aria-label={`The question in ${chosen.value}`}>{text}</pre>
      <p class="actions"><Copy text={text} /></p>
      <p class="actions">As a file {FORMATS.map((format) => <button key={format} onClick={() => void fetchFile(format)}>{format}</button>)} <span class="meta" role="status">{said.value}</span></p>
    </section>
  );
}
