// A line of 96 by 24 pixels: its shape matters, not its scale. The number stands beside it, so it has no name of its own.
import { path } from "./area.ts";
import { type Value, split } from "./incomplete.ts";
import { reach } from "./ticks.ts";

export interface SparkProps {
  values: readonly Value[];
  complete: readonly boolean[];
  /** The same hours of another time, drawn as a band. */
  before?: readonly Value[] | undefined;
  width?: number;
  height?: number;
}

export function Spark({ values, complete, before = [], width = 96, height = 24 }: SparkProps) {
  const { low, high } = reach([...values, ...before]);
  const x = (at: number) => 2 + ((width - 4) * at) / Math.max(1, values.length - 1);
  const y = (value: number) => height - 2 - ((height - 4) * (value - low)) / (high - low);
  const { solid, open } = split(values, complete);
  const ends = values.flatMap((value, at) => (value === null || value === undefined ? [] : [{ at, value }])).at(-1);
  return (
    <svg class="spark" width={width} height={height} aria-hidden="true">
      <path class="band" d={path(before, x, y)} />
      <path class="solid" d={path(solid, x, y)} />
      <path class="open" d={path(open, x, y)} />
      {ends && <circle class={complete[ends.at] ? "end" : "end open"} cx={x(ends.at)} cy={y(ends.value)} r="2" />}
    </svg>
  );
}
