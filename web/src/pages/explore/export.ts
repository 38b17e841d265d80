// The rows of a question as a file: by `POST /v1/exports`, whole or not at all.
import type { Query } from "../../api/query.ts";
import { problemOf } from "../../api/problem.ts";

/** Fetches it and gives it to the browser; what became of it, in a sentence. */
export async function download(query: Query, format: string): Promise<string> {
  const [question] = query.questions;
  const { id: _, ...asked } = question!;
  const body = JSON.stringify({ question: { ...asked, from: query.from, to: query.to, tz: query.tz }, format });
  try {
    const answer = await fetch("/v1/exports", { method: "POST", headers: { "Content-Type": "application/json" }, body });
    if (!answer.ok) {
      const { title, detail } = problemOf(answer.status, await answer.json().catch(() => null), null);
      return detail || title;
    }
    // A stream that is cut fails here: half a file is never saved.
    const url = URL.createObjectURL(await answer.blob());
    const link = Object.assign(document.createElement("a"), { href: url, download: `${asked.metric}.${format}` });
    link.click();
    setTimeout(() => URL.revokeObjectURL(url), 10_000);
    return `${asked.metric}.${format} saved`;
  } catch (error) {
    return `The file was cut: ${(error as Error).message}`;
  }
}
