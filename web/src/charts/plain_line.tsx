// One or two lines over time as SVG, for the first page, where uPlot would be half of all script. Same room and rules as lines.
import type { Signal } from "@preact/signals";
import { useSignal } from "@preact/signals";
import { useRef } from "preact/hooks";
import { LEFT, RIGHT, TOP, marked, path } from "./area.ts";
import { type Area, Axes, plotOf } from "./axes.tsx";
import { NONE, type Cursor } from "./cursor.ts";
import { Figure } from "./figure.tsx";
import { shown, split } from "./incomplete.ts";
import { type OnRange, useRanged } from "./ranged.ts";
import { spoken, tableOf, windowName } from "./rows.ts";
import { useWidth } from "./sized.ts";
import { type Reach, grown, linear, reach } from "./ticks.ts";
import { type Format, type Line, type Windows, toneToken } from "./types.ts";

export interface PlainLineProps {
  title: string;
  name: string;
  /** What is asked; the axis shrinks only when it changes. */
  question: string;
  windows: Windows;
  lines: readonly Line[];
  format: Format;
  height?: number;
  cursor?: Signal<Cursor>;
  onRange?: OnRange;
}

export function PlainLine({ title, name, question, windows, lines, format, height = 220, cursor: shared, onRange }: PlainLineProps) {
  const own = useSignal<Cursor>(NONE);
  const cursor = shared ?? own;
  const [box, width] = useWidth<HTMLDivElement>();
  const axis = useRef<{ question: string; y: Reach } | null>(null);
  const area: Area = { width, height, right: RIGHT, isTimed: true };
  const plot = plotOf(area);
  const [over, dragged] = useRanged(plot.width, windows, onRange);
  const drawn = lines.map((line) => ({ ...line, values: shown(line.values, windows.complete, line.samples, line.isCount) }));
  const y = grown(axis.current?.question === question ? axis.current.y : undefined, reach(drawn.flatMap((line) => [...line.values])));
  axis.current = { question, y };
  const [begin, end] = [windows.startMs[0] ?? 0, windows.endMs.at(-1) ?? 1];
  const middle = (at: number) => LEFT + (plot.width * ((windows.startMs[at]! + windows.endMs[at]!) / 2 - begin)) / (end - begin);
  const level = (value: number) => TOP + plot.height * (1 - (value - y.low) / (y.high - y.low));
  const { at, from } = cursor.value;
  const hover = (event: PointerEvent) => {
    const left = event.clientX - (event.currentTarget as Element).getBoundingClientRect().left - LEFT;
    const found = Math.floor((left / plot.width) * windows.startMs.length);
    cursor.value = found >= 0 && found < windows.startMs.length ? { ...NONE, at: found } : NONE;
  };
  const brushed = dragged ?? (from && at !== null ? { left: Math.min(middle(from.at), middle(at)), right: Math.max(middle(from.at), middle(at)) } : null);
  return (
    <Figure
      title={title} name={name} cursor={cursor} count={windows.startMs.length}
      say={({ at: here }) => `${windowName(windows.startMs[here]!, windows.endMs[here]!, windows.zone)}: ${drawn.map((line) => spoken(line, here, windows.complete[here]!, format)).join(" · ")}`}
      table={() => tableOf(windows, lines, format)}
      onBrush={onRange && (({ from: first, to }) => onRange(windows.startMs[first]!, windows.endMs[to]!))}
    >
      <div class="chart-plot" ref={box} style={{ height: `${height}px` }}>
        {width > 0 && (
          <svg ref={over} class="plain-line" width={width} height={height} aria-hidden="true" onPointerMove={hover} onPointerLeave={() => (cursor.value = NONE)}>
            <rect x={LEFT} y={TOP} width={plot.width} height={plot.height} fill="transparent" />
            <Axes area={area} windows={windows} levels={linear(y, 4).map((value) => ({ at: (value - y.low) / (y.high - y.low), text: format(value) }))} />
            {brushed && <rect class="selection" x={brushed.left} y={TOP} width={brushed.right - brushed.left} height={plot.height} />}
            {drawn.map((line) => {
              const { solid, open, hollow } = split(line.values, windows.complete);
              const last = hollow < 0 ? null : line.values[hollow];
              return (
                <g key={line.name} class={`plain ${toneToken(line.tone)}${line.tone === "ghost" ? " ghost" : ""}`}>
                  <path class="solid" d={path(solid, middle, level)} />
                  <path class="open" d={path(open, middle, level)} />
                  {typeof last === "number" && <circle class="hollow" cx={middle(hollow)} cy={level(last)} r="3" />}
                  {marked(line.revision ?? [], middle).map((index) => <text key={index} class="revised" x={middle(index)} y={TOP + plot.height - 2} text-anchor="middle">▾</text>)}
                </g>
              );
            })}
            {at !== null && at < windows.startMs.length && <line class="at" x1={middle(at)} x2={middle(at)} y1={TOP} y2={TOP + plot.height} />}
          </svg>
        )}
      </div>
    </Figure>
  );
}
