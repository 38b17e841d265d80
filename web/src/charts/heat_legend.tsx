// What the colours of a heat map count.
import { STEPS, legend } from "./heat_grid.ts";

export function HeatLegend({ largest, counted }: { largest: number; counted: string }) {
  const most = legend(largest);
  return (
    <p class="heat-legend meta">
      {counted} in a cell: {largest > 0 ? "1" : "none"}
      <svg width={STEPS * 16} height="10" role="img" aria-label={`${STEPS} steps from few to ${Math.round(largest).toLocaleString("en")}`}>
        {most.map((_, at) => <rect key={at} class={`heat-${at + 1}`} x={at * 16} width="16" height="10" />)}
      </svg>
      {Math.round(largest).toLocaleString("en")} (by square root; half-way is {Math.round(most[STEPS / 2 - 1]!).toLocaleString("en")})
    </p>
  );
}
