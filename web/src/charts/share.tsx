// Parts of a whole as one bar with their counts: good, needs improvement, poor. Never by colour alone.
import { percents } from "./percents.ts";

export interface Part {
  name: string;
  /** Shape that stands for it beside the name. */
  shape: string;
  /** Class of its colour: quiet, warn, bad. */
  tone: "quiet" | "warn" | "bad";
  count: number;
}

export function ShareBar({ parts, counted }: { parts: readonly Part[]; counted: string }) {
  const total = parts.reduce((sum, part) => sum + part.count, 0);
  const shares = percents(parts.map((part) => part.count));
  let left = 0;
  return (
    <div class="share">
      <svg width="100%" height="12" viewBox="0 0 100 12" preserveAspectRatio="none" aria-hidden="true">
        {parts.map((part) => {
          const width = total ? (100 * part.count) / total : 0;
          const x = left;
          left += width;
          return <rect key={part.name} class={`part ${part.tone}`} x={x} width={Math.max(0, width - 0.3)} height="12" />;
        })}
      </svg>
      <p class="meta">
        {parts.map((part, at) => (
          <span key={part.name} class="share-part">
            <span class={`shape ${part.tone}`} aria-hidden="true">{part.shape}</span> {part.name} {shares[at]} % ({Math.round(part.count).toLocaleString("en")})
          </span>
        ))}
        <span class="hidden-text">of {Math.round(total).toLocaleString("en")} {counted}</span>
      </p>
    </div>
  );
}
