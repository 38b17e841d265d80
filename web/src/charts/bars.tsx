// Bars over time, to stand below a line on the same axis: counts by window, open ones hatched, 0 only where it is known.
import type { Signal } from "@preact/signals";
import { useSignal } from "@preact/signals";
import { LEFT, RIGHT, TOP } from "./area.ts";
import { type Area, Axes, plotOf } from "./axes.tsx";
import { NONE, type Cursor } from "./cursor.ts";
import { Figure } from "./figure.tsx";
import { HATCH, Hatch } from "./hatch.tsx";
import { shown } from "./incomplete.ts";
import { type OnRange, useRanged } from "./ranged.ts";
import { spoken, tableOf, windowName } from "./rows.ts";
import { useWidth } from "./sized.ts";
import { linear, reach } from "./ticks.ts";
import { type Format, type Line, type Windows, toneToken } from "./types.ts";

export interface BarsProps {
  title: string;
  name: string;
  windows: Windows;
  /** Counts, one stacked on the other. */
  lines: readonly Line[];
  format: Format;
  height?: number;
  right?: number;
  isTimed?: boolean;
  cursor?: Signal<Cursor>;
  onRange?: OnRange;
}

export function BarChart({ title, name, windows, lines, format, height = 96, right = RIGHT, isTimed = true, cursor: shared, onRange }: BarsProps) {
  const own = useSignal<Cursor>(NONE);
  const cursor = shared ?? own;
  const [box, width] = useWidth<HTMLDivElement>();
  const area: Area = { width, height, right, isTimed };
  const plot = plotOf(area);
  const [over, dragged] = useRanged(plot.width, windows, onRange);
  const drawn = lines.map((line) => ({ ...line, values: shown(line.values, windows.complete, line.samples, true) }));
  const sums = windows.startMs.map((_, at) => drawn.reduce((sum, line) => sum + (line.values[at] ?? 0), 0));
  const { high } = reach(sums);
  const [begin, end] = [windows.startMs[0] ?? 0, windows.endMs.at(-1) ?? 1];
  const x = (ms: number) => LEFT + (plot.width * (ms - begin)) / (end - begin);
  const tall = (value: number) => (plot.height * value) / high;
  const { at, from } = cursor.value;
  const edges = from && at !== null ? [Math.min(from.at, at), Math.max(from.at, at)] as const : null;
  const brushed = dragged ?? (edges && { left: x(windows.startMs[edges[0]]!), right: x(windows.endMs[edges[1]]!) });
  const hover = (event: PointerEvent) => {
    const left = event.clientX - (event.currentTarget as Element).getBoundingClientRect().left - LEFT;
    const found = Math.floor((left / plot.width) * windows.startMs.length);
    cursor.value = found >= 0 && found < windows.startMs.length ? { ...NONE, at: found } : NONE;
  };
  return (
    <Figure
      title={title} name={name} cursor={cursor} count={windows.startMs.length}
      say={({ at: here }) => `${windowName(windows.startMs[here]!, windows.endMs[here]!, windows.zone)}: ${drawn.map((line) => spoken(line, here, windows.complete[here]!, format)).join(" · ")}`}
      table={() => tableOf(windows, lines, format)}
      onBrush={onRange && (({ from, to }) => onRange(windows.startMs[from]!, windows.endMs[to]!))}
    >
      <div class="chart-plot" ref={box} style={{ height: `${height}px` }}>
        {width > 0 && (
          <svg ref={over} class={onRange && "plain-line"} width={width} height={height} aria-hidden="true" onPointerMove={hover} onPointerLeave={() => (cursor.value = NONE)}>
            <Hatch />
            <rect x={LEFT} y={TOP} width={plot.width} height={plot.height} fill="transparent" />
            {brushed && <rect class="selection" x={brushed.left} y={TOP} width={brushed.right - brushed.left} height={plot.height} />}
            <Axes area={area} windows={windows} levels={linear({ low: 0, high }, 2).filter(Number.isInteger).map((value) => ({ at: value / high, text: format(value) }))} />
            {windows.startMs.map((start, index) => {
              const [left, right] = [x(start), x(windows.endMs[index]!)];
              let top = TOP + plot.height;
              return drawn.map((line) => {
                const value = line.values[index];
                if (value === null || value === undefined) return null;
                const size = tall(value);
                top -= size;
                return <rect key={`${start}${line.name}`} class={windows.complete[index] ? `bar ${toneToken(line.tone)}` : "bar"} {...(windows.complete[index] ? {} : { fill: HATCH })} x={left + 0.5} width={Math.max(1, right - left - 1)} y={top} height={size} />;
              });
            })}
            {at !== null && <line class="at" x1={(x(windows.startMs[at]!) + x(windows.endMs[at]!)) / 2} x2={(x(windows.startMs[at]!) + x(windows.endMs[at]!)) / 2} y1={TOP} y2={TOP + plot.height} />}
          </svg>
        )}
      </div>
    </Figure>
  );
}
