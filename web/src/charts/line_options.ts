// The options and the data of uPlot for lines: a solid and a dashed series for each, and axes of ours.
import type uPlot from "uplot";
import { BOTTOM, LEFT, TOP, labelRoom } from "./area.ts";
import { type Value, split } from "./incomplete.ts";
import { marks } from "./line_marks.ts";
import { token } from "./theme.ts";
import { type Reach, linear, timeLabel, timeStep, times } from "./ticks.ts";
import { type Format, type Limit, type Line, type Windows, toneToken } from "./types.ts";

export interface Present {
  windows: Windows;
  /** With the values that may be drawn. */
  drawn: readonly Line[];
  y: Reach;
  limits: readonly Limit[];
  format: Format;
}

/** The middle of each window. */
export function middles({ startMs, endMs }: Windows): number[] {
  return startMs.map((start, at) => (start + endMs[at]!) / 2);
}

/** Columns: time, then of each line the solid part, the open part, and the ends of its interval where it has them. */
export function dataOf(windows: Windows, drawn: readonly Line[]): uPlot.AlignedData {
  const columns = drawn.flatMap((line) => {
    const { solid, open } = split(line.values, windows.complete);
    const ends: (readonly Value[])[] = line.low && line.high ? [line.low, line.high] : [];
    return [solid, open, ...ends];
  });
  return [middles(windows), ...columns] as uPlot.AlignedData;
}

/** Everything but the data; `present` is read whenever something is drawn. */
export function optionsOf(width: number, height: number, present: () => Present, hovered: (at: number | null) => void): uPlot.Options {
  const { drawn } = present();
  const muted = token("muted");
  const font = `12px ${token("font")}`;
  const series: uPlot.Series[] = [{}];
  const bands: uPlot.Band[] = [];
  for (const line of drawn) {
    const colour = token(toneToken(line.tone));
    const usual = { stroke: colour, width: line.tone === 1 ? 2 : 1.5, points: { show: false }, scale: "y" };
    const isGhost = line.tone === "ghost";
    series.push({ ...usual, ...(isGhost ? { dash: [2, 3] } : {}) }, { ...usual, dash: isGhost ? [2, 3] : [5, 4], alpha: 0.7 });
    if (line.low && line.high) {
      series.push({ stroke: "transparent", points: { show: false } }, { stroke: "transparent", points: { show: false } });
      bands.push({ series: [series.length - 1, series.length - 2], fill: `${colour}26` });
    }
  }
  const x = () => {
    const { startMs, endMs } = present().windows;
    return { low: startMs[0] ?? 0, high: endMs.at(-1) ?? 1 };
  };
  const most = Math.max(3, Math.floor((width - LEFT) / 72));
  return {
    width, height, ms: 1, series, bands,
    padding: [TOP, labelRoom(drawn.map((line) => line.name), width), 0, 0],
    legend: { show: false },
    cursor: { y: false, drag: { x: false, y: false }, points: { size: 7 } },
    scales: { x: { time: false, range: () => [x().low, x().high] }, y: { range: () => [present().y.low, present().y.high] } },
    axes: [
      {
        size: BOTTOM, stroke: muted, font, gap: 4, grid: { show: false }, ticks: { stroke: token("line"), size: 4, width: 1 },
        splits: () => times(x(), present().windows.zone, most),
        values: (_, splits) => splits.map((at) => timeLabel(at, present().windows.zone, timeStep(x(), most))),
      },
      {
        size: LEFT, stroke: muted, font, gap: 4, grid: { stroke: token("line"), width: 1 }, ticks: { show: false },
        splits: () => linear(present().y, height < 120 ? 2 : 5),
        values: (_, splits) => splits.map((value) => present().format(value)),
      },
    ],
    hooks: {
      setCursor: [(plot) => hovered(plot.cursor.left !== undefined && plot.cursor.left >= 0 ? (plot.cursor.idx ?? null) : null)],
      draw: [(plot) => marks(plot, present())],
    },
  };
}
