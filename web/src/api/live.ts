// What is live, by server-sent events: one stream a browser. The tab that has the lock reads it; others hear it by a channel.
// A frame says that something has changed, and how fresh it is; the whole answer is asked for then. Times are ms.
import { effect, signal } from "@preact/signals";
import { get, loggedOut, noteNow, nowMs, online, watch } from "./client.ts";
import { ProblemError } from "./problem.ts";
import type { Answers } from "./answers.ts";

/** What all tabs need of a frame. */
interface Frame {
  /** Everything before it has come; null: not known. */
  readonly complete_until_ms: number | null;
  readonly behind_ms: number | null;
  readonly status: "live" | "behind" | "stalled";
  /** Transitions of alerts that this stream has not told before. */
  readonly alerts: readonly unknown[];
}

/** How fresh the page is. `source`: by stream, by asking again and again, or by nothing at all. */
export interface Freshness {
  readonly source: "stream" | "polling" | "none";
  readonly status: Frame["status"];
  readonly behindMs: number | null;
  readonly completeUntilMs: number | null;
  readonly receivedMs: number;
}

export const freshness = signal<Freshness>({ source: "none", status: "live", behindMs: null, completeUntilMs: null, receivedMs: 0 });

/** Rises as alerts change. */
export const alertsTold = signal(0);

/** Which answers are followed, and by which stream. */
export interface Followed {
  /** The address of the stream; what it tells beside freshness is when something changed. */
  readonly stream: string;
  /** Least time between two questions, ms. */
  readonly leastMs: number;
}

/** The stream that pages of one kind share: requests, vitals, errors and events of the tenant. */
export const VIEW = "/v1/live?view=overview";

const NAME = "tidegauge-live";
const HIDDEN_MS = 60_000;
const POLL_MS = 5_000;
const HEARD_MS = 30_000;

/** A stream that has said nothing for so long is opened anew: of a connection that died while the machine slept nobody is told. */
const SILENT_MS = 45_000;

/** A frame of what another page asked may mean nothing here: it is asked no more often than this. */
const OTHER_MS = 2_000;

/** Behind by more than this without a frame that says so; a watermark that does not move for so long stands still. */
export const BEHIND_MS = 60_000;
const STALLED_MS = 30_000;

/** What this tab reads where it has the lock. */
const wanted = signal(VIEW);
let holders = 0;
let sinceHeard: () => number = () => Infinity;
const hearers = new Set<(stream: string) => void>();

/** Follows the stream until the result is called: all freshness comes from here. */
export function follow(): () => void {
  const channel = new BroadcastChannel(NAME);
  const hear = (path: string, frame: Frame) => {
    sinceHeard = watch();
    online.value = true;
    note("stream", frame.status, frame.behind_ms, frame.complete_until_ms);
    if (frame.alerts.length) alertsTold.value += 1;
    for (const each of hearers) each(path);
  };
  channel.onmessage = ({ data }: MessageEvent<{ path: string; frame: Frame }>) => hear(data.path, data.frame);
  const lead = async (path: string, stop: AbortSignal) => {
    while (!stop.aborted) {
      await visible(stop);
      await navigator.locks.request(NAME, { signal: stop }, () => stream(path, stop, (frame) => {
        hear(path, frame);
        channel.postMessage({ path, frame });
      }));
    }
  };
  const end = effect(() => {
    const path = wanted.value;
    const stop = new AbortController();
    // Locks need a secure context; without them every tab asks.
    if ("locks" in navigator) lead(path, stop.signal).catch((error: Error) => { if (error.name !== "AbortError") throw error; });
    return () => stop.abort();
  });
  return () => {
    end();
    channel.close();
  };
}

/**
 * Hears of the answers at `path` until the result is called: asked for at frames, and each 5 s, which is 304 while nothing has changed.
 */
export function listen<T>(path: string, { stream: own, leastMs }: Followed, listener: (answer: T) => void, failed: (error: ProblemError) => void): () => void {
  const stop = new AbortController();
  let [isAsking, isMissed, later, due] = [false, false, 0, Infinity];
  let sinceAsked = watch();
  const ask = async () => {
    due = Infinity;
    if (document.visibilityState === "hidden") return;
    isMissed = isAsking;
    if (isAsking) return;
    isAsking = true;
    sinceAsked = watch();
    try {
      const answer = await get<T>(path, stop.signal);
      if (!stop.signal.aborted) listener(answer);
    } catch (error) {
      if (error instanceof ProblemError && !stop.signal.aborted) failed(error);
    } finally {
      isAsking = false;
      // What a frame told meanwhile may not be in that answer.
      if (isMissed && !stop.signal.aborted) soon(leastMs);
    }
  };
  // The earliest turn that anybody wants: one of every 5 s must not hold up what a frame asks for.
  const soon = (leastOfAll: number) => {
    const wait = Math.max(0, leastOfAll - sinceAsked());
    if (performance.now() + wait >= due) return;
    clearTimeout(later);
    due = performance.now() + wait;
    later = window.setTimeout(() => void ask(), wait);
  };
  const hear = (told: string) => soon(told === own ? leastMs : Math.max(leastMs, OTHER_MS));
  holders += 1;
  wanted.value = own;
  hearers.add(hear);
  const timer = setInterval(() => soon(Math.max(leastMs, POLL_MS)), POLL_MS);
  void ask();
  return () => {
    stop.abort();
    clearInterval(timer);
    clearTimeout(later);
    hearers.delete(hear);
    holders -= 1;
    // The next question of a page comes in the same turn.
    queueMicrotask(() => { if (!holders) wanted.value = VIEW; });
  };
}

/** Reads a stream until it is stopped, refused, or hidden for a minute. */
function stream(path: string, stop: AbortSignal, hear: (frame: Frame) => void): Promise<void> {
  return new Promise((done) => {
    let source: EventSource | null = null;
    let hidden = 0;
    let again = 0;
    let silent = watch();
    const over = new AbortController();
    const end = () => {
      source?.close();
      clearTimeout(hidden);
      clearTimeout(again);
      clearInterval(looking);
      over.abort();
      done();
    };
    const looking = setInterval(() => { if (silent() > SILENT_MS) open(); }, POLL_MS);
    const read = ({ data }: MessageEvent<string>) => {
      const { now_ms, complete_until_ms, behind_ms, status, alerts } = JSON.parse(data) as Frame & { now_ms: number };
      silent = watch();
      noteNow(now_ms);
      hear({ complete_until_ms, behind_ms, status, alerts });
    };
    const open = () => {
      source?.close();
      clearTimeout(again);
      silent = watch();
      source = new EventSource(path);
      source.addEventListener("snapshot", read);
      source.addEventListener("frame", read);
      source.addEventListener("bye", ({ data }: MessageEvent<string>) => {
        const { reason, after_ms = 2000 } = JSON.parse(data) as { reason: string; after_ms?: number };
        source?.close();
        if (reason !== "restart") {
          loggedOut.value = true;
          end();
        } else again = window.setTimeout(open, after_ms);
      });
      source.addEventListener("error", () => {
        // A browser comes again by itself, but not after a refusal: then the lock is let go of, a little later.
        if (source?.readyState === EventSource.CLOSED) again = window.setTimeout(end, 10_000);
      });
    };
    const changed = () => {
      clearTimeout(hidden);
      if (document.visibilityState === "hidden") hidden = window.setTimeout(end, HIDDEN_MS);
    };
    document.addEventListener("visibilitychange", changed, { signal: over.signal });
    stop.addEventListener("abort", end, { signal: over.signal });
    if (stop.aborted) end();
    else open();
  });
}

function visible(stop: AbortSignal): Promise<void> {
  if (document.visibilityState === "visible") return Promise.resolve();
  return new Promise((done, failed) => {
    document.addEventListener("visibilitychange", () => document.visibilityState === "visible" && done(), { signal: stop });
    stop.addEventListener("abort", () => failed(new DOMException("stopped", "AbortError")), { once: true });
  });
}

function note(source: Freshness["source"], status: Frame["status"], behindMs: number | null, completeUntilMs: number | null): void {
  freshness.value = { source, status, behindMs, completeUntilMs, receivedMs: nowMs() };
}

/** Without a stream freshness follows from an answer about now: how far it is complete. */
export function noteAnswer(answer: Answers): void {
  const ends = answer.results.flatMap((one) => (typeof one.complete_until_ms === "number" ? [one.complete_until_ms] : []));
  noteUntil(ends.length ? Math.min(...ends) : null);
}

let stood = { untilMs: 0, since: watch() };

/** As far as everything has come, by an answer of another kind; what the stream said a moment ago is better. */
export function noteUntil(until: number | null): void {
  if (sinceHeard() < HEARD_MS) return;
  if (until !== stood.untilMs) stood = { untilMs: until ?? 0, since: watch() };
  const behindMs = until === null ? null : Math.max(0, nowMs() - until);
  const isStalled = behindMs !== null && behindMs > STALLED_MS && stood.since() > STALLED_MS;
  note("polling", isStalled ? "stalled" : behindMs !== null && behindMs > BEHIND_MS ? "behind" : "live", behindMs, until);
}
