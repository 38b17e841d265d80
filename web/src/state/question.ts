// A question of a page: its answer, how old that is, and what went wrong. Old answers stay while a new one is on its way.
import { signal, useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { LONGEST, get, nowMs } from "../api/client.ts";
import type { Answers } from "../api/answers.ts";
import { type Followed, VIEW, listen, noteAnswer } from "../api/live.ts";
import { type Problem, ProblemError } from "../api/problem.ts";
import { type Query, queryPath } from "../api/query.ts";
import { isMoving } from "../time/ranges.ts";

/** What a page knows of a question. Times are ms by the server's clock. */
export interface Asked<T> {
  /** The last answer, also while the next one is asked for, and after a failure. */
  readonly data: T | null;
  /** When `data` came. */
  readonly receivedMs: number;
  /** Since when an answer is waited for; 0: none is. */
  readonly askingSinceMs: number;
  /** `data` is of the question before this one. */
  readonly stale: boolean;
  readonly error: Problem | null;
  /** Asks again now. */
  again(): void;
}

type State<T> = Omit<Asked<T>, "again">;

const begun = <T>(isAsked: boolean): State<T> => ({ data: null, receivedMs: 0, askingSinceMs: isAsked ? nowMs() : 0, stale: false, error: null });
const answered = <T>(data: T): State<T> => ({ data, receivedMs: nowMs(), askingSinceMs: 0, stale: false, error: null });

/** How often an error that may pass is asked again, so that the page recovers by itself. */
export const AGAIN_MS = 5_000;

/** Whoever looks at a moment does not want it to change: frames wait until they are wanted again. */
export const isPaused = signal(false);

/**
 * Asks `path` with GET, again when it changes, and each `everyMs` while the page is visible (0: once).
 * One request a question is in flight: a change aborts the one before. null: nothing is asked.
 */
export function useAsked<T>(path: string | null, everyMs = 0): Asked<T> {
  const state = useSignal<State<T>>(begun<T>(path !== null));
  const turn = useSignal(0);
  const round = turn.value;
  useEffect(() => {
    if (path === null) return undefined;
    const abort = new AbortController();
    let timer = 0;
    const ask = async () => {
      state.value = { ...state.peek(), askingSinceMs: nowMs() };
      try {
        state.value = answered(await get<T>(path, abort.signal));
      } catch (error) {
        if (abort.signal.aborted) return;
        if (!(error instanceof ProblemError)) throw error;
        state.value = { ...state.peek(), askingSinceMs: 0, error: error.problem };
      }
      const next = everyMs || (recovers(state.peek().error) ? AGAIN_MS : 0);
      if (next && !abort.signal.aborted) timer = window.setTimeout(whenVisible, next);
    };
    const whenVisible = () => {
      if (document.visibilityState === "visible") void ask();
      else document.addEventListener("visibilitychange", whenVisible, { once: true, signal: abort.signal });
    };
    void ask();
    return () => {
      abort.abort();
      clearTimeout(timer);
      state.value = { ...state.peek(), stale: true };
    };
  }, [path, everyMs, round]);
  return { ...state.value, again: () => { turn.value += 1; } };
}

/** Asks a query, and goes on hearing of it where its range ends now: at most one answer a second. */
export function useQuery(query: Query): Asked<Answers> {
  const moves = isMoving({ to: query.to ?? "now" });
  const path = queryPath(query);
  const stream = path.length < LONGEST ? path.replace("/v1/query", "/v1/live") : VIEW;
  const asked = useLive<Answers>(path, moves ? { stream, leastMs: 0 } : null);
  useEffect(() => {
    if (moves && asked.data) noteAnswer(asked.data);
  }, [moves, asked.data]);
  return asked;
}

/** Asks `path`, and again as a stream says that something has changed; without a stream once. Without a path nothing is asked. */
export function useLive<T>(path: string | null, followed: Followed | null): Asked<T> {
  const once = useAsked<T>(followed ? null : path);
  const state = useSignal<State<T>>(begun<T>(path !== null));
  const turn = useSignal(0);
  const round = turn.value;
  useEffect(() => {
    if (!followed || path === null) return undefined;
    state.value = { ...state.peek(), askingSinceMs: nowMs() };
    const stop = listen<T>(
      path, followed,
      (answer) => {
        const { data, stale } = state.peek();
        if (!isPaused.peek() || data === null || stale) state.value = answered(answer);
      },
      ({ problem }) => {
        state.value = { ...state.peek(), askingSinceMs: 0, error: problem };
      },
    );
    return () => {
      stop();
      state.value = { ...state.peek(), stale: true };
    };
  }, [path, followed?.stream, followed?.leastMs, round]);
  return followed ? { ...state.value, again: () => { turn.value += 1; } } : once;
}

/** Whether the same question may be answered a little later. */
export function recovers(problem: Problem | null): boolean {
  return problem !== null && (problem.status === 0 || problem.status === 429 || problem.status >= 500);
}
