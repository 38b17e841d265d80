// What stands around an answer in every state: asked for, refreshed, refused, offline, too old.
import type { ComponentChildren } from "preact";
import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { nowMs } from "../api/client.ts";
import { ago } from "../format/numbers.ts";
import type { Asked } from "../state/question.ts";
import { ProblemNote } from "./problem.tsx";

export interface AnsweredProps<T> {
  asked: Asked<T>;
  /** Height of what will be here, px: nothing moves when it comes. */
  height?: number;
  children(data: T): ComponentChildren;
}

export function Answered<T>({ asked, height = 320, children }: AnsweredProps<T>) {
  const { data, error, askingSinceMs, stale, again } = asked;
  if (data === null && error) return <ProblemNote problem={error} onAgain={again} />;
  if (data === null) return <Skeleton height={height} sinceMs={askingSinceMs} />;
  return (
    <div class={`answered${askingSinceMs && stale ? " refreshing" : ""}`} aria-busy={askingSinceMs > 0 && stale}>
      {error && error.status === 0 && <p class="note" role="status">Nothing answers: this is the last answer, {ago(nowMs() - asked.receivedMs)}.</p>}
      {error && error.status !== 0 && <ProblemNote problem={error} onAgain={again} />}
      {children(data)}
    </div>
  );
}

export function Skeleton({ height, sinceMs }: { height: number; sinceMs: number }) {
  const seconds = useSignal(0);
  useEffect(() => {
    const timer = setInterval(() => { seconds.value = sinceMs ? Math.floor((nowMs() - sinceMs) / 1000) : 0; }, 500);
    return () => clearInterval(timer);
  }, [sinceMs]);
  return (
    <div class="skeleton" style={{ height: `${height}px` }}>
      <p class="meta" role="status">{seconds.value >= 2 ? `still asking, ${seconds.value} s` : ""}</p>
    </div>
  );
}
