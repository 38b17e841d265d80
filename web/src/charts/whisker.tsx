// Value, limits and certainty in one look: a ruler of three zones, a marker, and the interval as a whisker.
import { zones } from "./zones.ts";

export interface WhiskerProps {
  /** Up to the first it is good, above the second poor. */
  limits: readonly [number, number];
  value: number | null;
  low: number | null;
  high: number | null;
  tone: "quiet" | "warn" | "bad" | "muted";
}

const WIDE = 240;
const MIDDLE = 10;

export function Whisker({ limits, value, low, high, tone }: WhiskerProps) {
  const found = zones(limits, value, low, high);
  const x = (at: number) => 4 + at * (WIDE - 8);
  const at = found.value === null ? null : x(found.value);
  return (
    <svg class="whisker" viewBox={`0 0 ${WIDE} 20`} width={WIDE} height="20" aria-hidden="true">
      {([[0, found.good, "quiet"], [found.good, found.poor, "warn"], [found.poor, 1, "bad"]] as const).map(([from, to, zone]) => (
        <rect key={zone} class={`zone ${zone}`} x={x(from) + 0.5} width={x(to) - x(from) - 1} y={MIDDLE - 2} height="4" />
      ))}
      {found.low !== null && found.high !== null && (
        <path class="interval" d={`M${x(found.low)} ${MIDDLE - 5}v10m0-5H${x(found.high)}m0-5v10`} />
      )}
      {at !== null && <Marker at={at} tone={tone} />}
    </svg>
  );
}

/** A circle, a triangle or a square, as the rating has it beside its word; a ring where it is not rated. */
function Marker({ at, tone }: { at: number; tone: WhiskerProps["tone"] }) {
  if (tone === "warn") return <path class="marker warn" d={`M${at} ${MIDDLE - 7}l6.5 12h-13z`} />;
  if (tone === "bad") return <rect class="marker bad" x={at - 5} y={MIDDLE - 5} width="10" height="10" />;
  return <circle class={`marker ${tone}`} cx={at} cy={MIDDLE} r="5.5" />;
}
