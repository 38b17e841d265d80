// Axes of charts that are drawn as SVG or pixels: the same room and the same ticks as those of lines.
import { BOTTOM, LEFT, TOP } from "./area.ts";
import { timeLabel, timeStep, times } from "./ticks.ts";
import type { Windows } from "./types.ts";

export interface Area {
  width: number;
  height: number;
  /** Room at the right. */
  right: number;
  /** Whether times stand below. */
  isTimed: boolean;
}

/** Width and height of the plot itself. */
export function plotOf({ width, height, right, isTimed }: Area): { width: number; height: number } {
  return { width: Math.max(1, width - LEFT - right), height: Math.max(1, height - TOP - (isTimed ? BOTTOM : 4)) };
}

export interface AxesProps {
  area: Area;
  windows: Windows;
  /** Ticks of values: where between bottom (0) and top (1), and the text. */
  levels: readonly { at: number; text: string }[];
}

export function Axes({ area, windows, levels }: AxesProps) {
  const plot = plotOf(area);
  const [low, high] = [windows.startMs[0] ?? 0, windows.endMs.at(-1) ?? 1];
  const most = Math.max(3, Math.floor(plot.width / 72));
  const ticks = area.isTimed ? times({ low, high }, windows.zone, most) : [];
  const each = timeStep({ low, high }, most);
  return (
    <g class="axes" aria-hidden="true">
      {levels.map(({ at, text }) => {
        const y = TOP + plot.height * (1 - at);
        return (
          <g key={text}>
            <line class="grid" x1={LEFT} x2={LEFT + plot.width} y1={y} y2={y} />
            <text x={LEFT - 6} y={y + 4} text-anchor="end">{text}</text>
          </g>
        );
      })}
      {ticks.map((ms) => {
        const x = LEFT + (plot.width * (ms - low)) / (high - low);
        return (
          <g key={ms}>
            <line class="tick" x1={x} x2={x} y1={TOP + plot.height} y2={TOP + plot.height + 4} />
            <text x={x} y={TOP + plot.height + 17} text-anchor="middle">{timeLabel(ms, windows.zone, each)}</text>
          </g>
        );
      })}
    </g>
  );
}
