// A funnel as horizontal bars: sessions a step, those of the range before as ghosts, those that may still go on hatched.
import { HATCH, Hatch } from "./hatch.tsx";

export interface FunnelStep {
  name: string;
  sessions: number;
  /** Sessions of the range that is compared with, in the same scale; null without one. */
  ghost: number | null;
  /** Of the sessions, those that entered so late that they may still go on; hatched. */
  immature: number;
  /** Beside the bar. */
  text: string;
  /** What is below it: lost sessions, median time. */
  detail: string;
  isWorst: boolean;
}

const WIDE = 1000;

export function FunnelBars({ steps, selected, onSelect }: { steps: readonly FunnelStep[]; selected: number; onSelect(step: number): void }) {
  const most = Math.max(1, ...steps.flatMap((step) => [step.sessions, step.ghost ?? 0]));
  const wide = (sessions: number) => (WIDE * sessions) / most;
  return (
    <ol class="funnel">
      {steps.map((step, at) => (
        <li key={step.name} class={at === selected ? "funnel-step selected" : "funnel-step"}>
          <button class="plain funnel-name" aria-pressed={at === selected} onClick={() => onSelect(at)}>{step.name}</button>
          <svg class="funnel-bar" viewBox={`0 0 ${WIDE} 20`} preserveAspectRatio="none" aria-hidden="true">
            <Hatch />
            {step.ghost !== null && <rect class="ghost" x="0" y="1" width={wide(step.ghost)} height="18" />}
            <rect class={step.isWorst ? "bar worst" : "bar"} x="0" y="4" width={wide(step.sessions - step.immature)} height="12" />
            <rect class="immature" x={wide(step.sessions - step.immature)} y="4" width={wide(step.immature)} height="12" fill={HATCH} />
          </svg>
          <span class="funnel-text number">{step.text}</span>
          <span class="funnel-detail meta">{step.detail}</span>
        </li>
      ))}
    </ol>
  );
}
