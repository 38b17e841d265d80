// How fresh the page is: live, behind, stalled, paused or offline; and how many samples it shows.
import { signal, useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { nowMs, online, otherBuild, skewMs } from "../api/client.ts";
import { freshness } from "../api/live.ts";
import { count, lasted } from "../format/numbers.ts";
import { address, go, linkToPage } from "../state/address.ts";
import { isPaused } from "../state/question.ts";
import { wallText } from "../time/instants.ts";
import { isMoving } from "../time/ranges.ts";

/** Samples that the page shows; null: it does not say. */
export const shownSamples = signal<number | null>(null);

/** The last range that moved, to return to. */
let moving = "now-1h";

/** Whether the page changes by itself: its range ends now, and nobody holds it. */
export function isLive(): boolean {
  return isMoving(address.value) && !isPaused.value;
}

/** Returns to a range that moves with the time. */
export function resume(): void {
  isPaused.value = false;
  if (!isMoving(address.peek())) go({ from: moving, to: "now" });
}

export function FreshnessLine({ isTimed }: { isTimed: boolean }) {
  const tick = useSignal(0);
  useEffect(() => {
    const timer = setInterval(() => { tick.value += 1; }, 1000);
    return () => clearInterval(timer);
  }, []);
  void tick.value;
  const { from, tz } = address.value;
  const moves = isMoving(address.value);
  useEffect(() => {
    if (moves) moving = from;
  }, [moves, from]);
  const { completeUntilMs, source } = freshness.value;
  const until = !completeUntilMs ? "" : `complete to ${wallText(completeUntilMs, tz).slice(11)}`;
  return (
    <p class="freshness meta">
      <Chip isTimed={isTimed} />
      {isTimed && <button class="plain" onClick={() => { if (isLive()) isPaused.value = true; else resume(); }}>{isLive() ? "Pause" : "Resume"}</button>}
      <span>{until}</span>
      {source === "polling" && isTimed && isLive() && <span class="extra">asked each 5 s</span>}
      {Math.abs(skewMs.value) > 60_000 && <span>this clock is {lasted(Math.abs(skewMs.value))} {skewMs.value > 0 ? "slow" : "fast"}, times are the gateway's</span>}
      {shownSamples.value !== null && <span class="samples extra">n = {count(shownSamples.value)}</span>}
      {otherBuild.value && <button class="plain" onClick={() => location.reload()}>Reload for the new version</button>}
    </p>
  );
}

/** Without a word from the system for so long, nobody knows that anything is live. */
const SILENT_MS = 20_000;

function Chip({ isTimed }: { isTimed: boolean }) {
  const { source, status, behindMs, completeUntilMs, receivedMs } = freshness.value;
  const { tz } = address.value;
  const age = receivedMs ? Math.max(0, nowMs() - receivedMs) : 0;
  const state = (tone: string, shape: string, text: string) => <span class="chip-state" role="status"><span class={`shape ${tone}`} aria-hidden="true">{shape}</span> {text}</span>;
  if (!online.value) return state("bad", "■", `offline${receivedMs ? `, last answer ${lasted(age)} ago` : ""}`);
  if (source === "none" || !completeUntilMs) return <span class="chip-state" role="status">waiting</span>;
  if (status === "stalled")
    return (
      <a class="chip-state" href={linkToPage("pipeline")}>
        <span class="shape bad" aria-hidden="true">■</span> stalled since {wallText(completeUntilMs, tz).slice(11, 16)}: newer numbers will still rise
      </a>
    );
  if (isTimed && !isMoving(address.value)) return state("quiet", "‖", "a past moment");
  if (isTimed && isPaused.value) return state("quiet", "‖", "paused");
  if (status === "behind" || age > SILENT_MS) return state("warn", "▲", `${lasted((behindMs ?? 0) + age)} behind`);
  return <span class="chip-state"><span key={receivedMs} class="live-dot" aria-hidden="true">●</span> live {Math.max(1, Math.round(age / 1000))} s</span>;
}
