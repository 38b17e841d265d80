// The one way to ask the API: JSON, `ETag` and `If-None-Match`, problems as exceptions, the server's clock and build beside.
import { signal } from "@preact/signals";
import { OFFLINE, ProblemError, problemOf } from "./problem.ts";

declare const __BUILD__: string;

/** How far the server's clock is ahead of the browser's, ms. */
export const skewMs = signal(0);

/** Whether the gateway serves another build of the page than this one. */
export const otherBuild = signal(false);

/** Where points are posted to, as the gateway says; empty: at the address of the page. */
export const intakeUrl = signal("");

/** Whether the last request of all got an answer. */
export const online = signal(true);

/** Whether the API refuses for want of a key: the log-in page is shown. */
export const loggedOut = signal(false);

interface Known {
  readonly etag: string;
  readonly body: unknown;
}

const KNOWN_MOST = 50;
const known = new Map<string, Known>();

const early = new Map<string, Promise<unknown>>();

/** Asks before anybody has drawn the page that wants the answer: the next `get` of the same path takes it, and hears of a failure. */
export function prefetch(path: string): Promise<void> {
  const asked = get<unknown>(path);
  early.set(path, asked);
  return asked.then(() => undefined, () => undefined);
}

/** Asks with GET. An answer that has not changed is the very object of the last time. Throws `ProblemError` and `AbortError`. */
export async function get<T>(path: string, abort?: AbortSignal): Promise<T> {
  const begun = early.get(path);
  if (begun) {
    early.delete(path);
    return (await begun) as T;
  }
  const before = known.get(path);
  const headers: Record<string, string> = before ? { "If-None-Match": before.etag } : {};
  const answer = await send(path, { headers, ...(abort && { signal: abort }) });
  if (answer.status === 304 && before) return before.body as T;
  const body = await bodyOf(answer, abort);
  const etag = answer.headers.get("ETag");
  if (etag) remember(path, { etag, body });
  return body as T;
}

const JSON_TYPE = { "Content-Type": "application/json" };

/** Sends JSON with another method; 204 gives undefined. Throws `ProblemError`. */
export async function change<T>(method: "POST" | "PUT" | "DELETE", path: string, body?: unknown): Promise<T> {
  const content = body === undefined ? {} : { body: JSON.stringify(body) };
  const answer = await send(path, { method, headers: JSON_TYPE, ...content });
  return (await bodyOf(answer)) as T;
}

/** Forgets all answers: whoever looks is somebody else from now on. */
export function forget(): void {
  known.clear();
}

/** Longest address that the gateway reads, less what stands around it, in characters. */
export const LONGEST = 8000;

/** A query that is too long for an address is posted: only that it has not changed is then not seen. */
function asPost(path: string, options: RequestInit): [string, RequestInit] {
  const [bare, text] = path.split("?q=");
  if (path.length < LONGEST || text === undefined) return [path, options];
  return [bare!, { ...options, method: "POST", headers: JSON_TYPE, body: decodeURIComponent(text) }];
}

/** Longer than any answer takes: a connection that died while the machine slept says nothing at all. */
const GIVEN_UP_MS = 45_000;

async function send(path: string, options: RequestInit): Promise<Response> {
  let answer: Response;
  try {
    const [address, how] = asPost(path, options);
    const limit = AbortSignal.timeout(GIVEN_UP_MS);
    const signal = how.signal ? AbortSignal.any([how.signal, limit]) : limit;
    answer = await fetch(address, { credentials: "same-origin", cache: "no-store", ...how, signal });
  } catch (error) {
    if (options.signal?.aborted) throw error;
    online.value = false;
    throw new ProblemError(OFFLINE);
  }
  online.value = true;
  noteClock(answer.headers.get("Date"));
  noteBuild(answer.headers.get("Tidegauge-Build"));
  intakeUrl.value = answer.headers.get("Tidegauge-Intake") ?? intakeUrl.peek();
  if (answer.ok || answer.status === 304 || isReport(answer)) return answer;
  if (answer.status === 401) loggedOut.value = true;
  const body: unknown = await answer.json().catch(() => null);
  throw new ProblemError(problemOf(answer.status, body, answer.headers.get("X-Request-ID")));
}

/** How a system is that is down is answered with 503; a refusal would be a problem document. */
function isReport(answer: Response): boolean {
  return answer.status === 503 && answer.headers.get("Content-Type")?.startsWith("application/json") === true;
}

/** A connection may break, or fall silent, within an answer. */
async function bodyOf(answer: Response, abort?: AbortSignal): Promise<unknown> {
  try {
    return answer.status === 204 ? undefined : await answer.json();
  } catch (error) {
    if (abort?.aborted) throw error;
    throw new ProblemError(OFFLINE);
  }
}

function remember(path: string, answer: Known): void {
  known.delete(path);
  known.set(path, answer);
  const oldest = known.keys().next().value;
  if (known.size > KNOWN_MOST && oldest !== undefined) known.delete(oldest);
}

/** `Date` has whole seconds: less than two of them are no skew. */
function noteClock(date: string | null): void {
  const server = date ? Date.parse(date) : Number.NaN;
  if (!Number.isNaN(server)) noteNow(server + 500);
}

/** What the time is by the server's clock. */
export function noteNow(server: number): void {
  const skew = server - Date.now();
  const seen = Math.abs(skew) < 2000 ? 0 : skew;
  if (Math.abs(seen - skewMs.peek()) > 1000) skewMs.value = seen;
}

function noteBuild(build: string | null): void {
  if (build && __BUILD__ !== "unknown" && build !== __BUILD__) otherBuild.value = true;
}

/** Now by the server's clock, ms. It jumps when that becomes known: spans are measured by `watch`. */
export function nowMs(): number {
  return Date.now() + skewMs.peek();
}

/** A stop watch: ms since it was begun. One of a machine's two clocks stands still while it sleeps, the other one is set anew: the longer span counts. */
export function watch(): () => number {
  const [wall, steady] = [Date.now(), performance.now()];
  return () => Math.max(Date.now() - wall, performance.now() - steady);
}
