// A heat map of values over time: cells as pixels, written at once; lines, cursor and selection above them.
import { useSignal } from "@preact/signals";
import { useLayoutEffect, useMemo, useRef } from "preact/hooks";
import { LEFT, TOP, path } from "./area.ts";
import { type Area, Axes, plotOf } from "./axes.tsx";
import { type Box, brushable } from "./brush.ts";
import { NONE, type Cursor } from "./cursor.ts";
import { Figure } from "./figure.tsx";
import { type Histogram, STEPS, edges, grid, height as heightOf, paint } from "./heat_grid.ts";
import { HeatLegend } from "./heat_legend.tsx";
import { shown, split } from "./incomplete.ts";
import { tableOf, windowName } from "./rows.ts";
import { heightFor, useWidth } from "./sized.ts";
import { pixel, themed, token } from "./theme.ts";
import { logarithmic } from "./ticks.ts";
import { type Format, type Line, type Windows, toneToken } from "./types.ts";

export interface Selection {
  fromMs: number;
  toMs: number;
  low: number;
  high: number;
}

export interface HeatProps {
  title: string;
  name: string;
  windows: Windows;
  /** Of each window, values with their weights. */
  histograms: readonly (Histogram | null)[];
  /** Quantiles above the map. */
  lines: readonly Line[];
  format: Format;
  /** What is counted, such as "answers". */
  counted: string;
  selection?: Selection | null;
  onSelect?: (selection: Selection) => void;
}

export function HeatMap({ title, name, windows, histograms, lines, format, counted, selection, onSelect }: HeatProps) {
  const cursor = useSignal<Cursor>(NONE);
  const dragged = useSignal<Box | null>(null);
  const [box, width] = useWidth<HTMLDivElement>();
  const canvas = useRef<HTMLCanvasElement>(null);
  const cells = useMemo(() => grid(histograms), [histograms]);
  const area: Area = { width, height: heightFor(width, 280), right: 40, isTimed: true };
  const plot = plotOf(area);
  const count = windows.startMs.length;

  useLayoutEffect(() => {
    const context = canvas.current?.getContext("2d");
    if (!context) return;
    const palette = Uint32Array.from([0, ...Array.from({ length: STEPS }, (_, at) => pixel(token(`heat-${at + 1}`)))]);
    const image = context.createImageData(cells.columns || 1, cells.rows);
    paint(cells, palette, new Uint32Array(image.data.buffer));
    context.putImageData(image, 0, 0);
  }, [cells, themed.value, width]);

  const selected = (fromAt: number, toAt: number, low: number, high: number) =>
    onSelect?.({ fromMs: windows.startMs[fromAt]!, toMs: windows.endMs[toAt]!, low, high });
  // Listeners stay while frames come: a new answer would end a brush that is under way.
  const now = useRef({ cells, count, selected });
  now.current = { cells, count, selected };
  useLayoutEffect(() => {
    const over = canvas.current;
    if (!over) return undefined;
    const columnAt = (x: number) => Math.min(now.current.count - 1, Math.floor((x / over.clientWidth) * now.current.count));
    const valueAt = (y: number) => now.current.cells.low * (now.current.cells.high / now.current.cells.low) ** (1 - y / over.clientHeight);
    const hover = (event: PointerEvent) => {
      if (cursor.peek().from) return;
      const { rows } = now.current.cells;
      const { left, top } = over.getBoundingClientRect();
      const row = Math.floor((1 - (event.clientY - top) / over.clientHeight) * rows);
      cursor.value = { at: columnAt(event.clientX - left), row: Math.max(0, Math.min(rows - 1, row)), from: null };
    };
    const leave = () => (cursor.value = NONE);
    over.addEventListener("pointermove", hover);
    over.addEventListener("pointerleave", leave);
    const stop = onSelect && brushable(over, {
      moved: (area) => (dragged.value = area),
      done: ({ left, right, top, bottom }) => now.current.selected(columnAt(left), columnAt(right - 1e-6), valueAt(bottom), valueAt(top)),
    });
    return () => {
      stop?.();
      over.removeEventListener("pointermove", hover);
      over.removeEventListener("pointerleave", leave);
    };
  }, [onSelect !== undefined]);

  const x = (at: number) => LEFT + (plot.width * (at + 0.5)) / count;
  const y = (value: number) => TOP + plot.height * (1 - Math.min(1, Math.max(0, heightOf(cells, value))));
  const edgeX = (ms: number) => LEFT + (plot.width * (ms - windows.startMs[0]!)) / (windows.endMs.at(-1)! - windows.startMs[0]!);
  const drawn = lines.map((line) => ({ ...line, ...split(shown(line.values, windows.complete, line.samples), windows.complete) }));
  const ticks = logarithmic(cells, 6).map((value) => ({ at: heightOf(cells, value), text: format(value) }));
  const { at, row, from } = cursor.value;
  const weightAt = (column: number, of: number) => cells.weight[column * cells.rows + of] ?? 0;
  return (
    <Figure
      title={title} name={name} cursor={cursor} count={count} rows={cells.rows}
      say={(here) => {
        const [low, high] = edges(cells, here.row);
        return `${windowName(windows.startMs[here.at]!, windows.endMs[here.at]!, windows.zone)}, ${format(low)} to ${format(high)}: ${weightAt(here.at, here.row).toLocaleString("en")} ${counted}`;
      }}
      table={() => tableOf(windows, lines, format)}
      onBrush={onSelect && ((done) => selected(done.from, done.to, edges(cells, done.low)[0], edges(cells, done.high)[1]))}
      legend={<HeatLegend largest={cells.largest} counted={counted} />}
    >
      <div class="chart-plot heat" ref={box} style={{ height: `${area.height}px` }}>
        <canvas ref={canvas} width={cells.columns || 1} height={cells.rows} style={{ left: `${LEFT}px`, top: `${TOP}px`, width: `${plot.width}px`, height: `${plot.height}px` }} />
        {width > 0 && (
          <svg width={width} height={area.height} aria-hidden="true">
            <Axes area={area} windows={windows} levels={ticks} />
            {drawn.map((line) => (
              <g key={line.name} class={`over ${toneToken(line.tone)}`}>
                <path class="halo" d={path(line.solid, x, y)} />
                <path class="solid" d={path(line.solid, x, y)} />
                <path class="open" d={path(line.open, x, y)} />
                <EndName line={line} y={y} x={LEFT + plot.width + 4} />
              </g>
            ))}
            {selection && <rect class="selection" x={edgeX(selection.fromMs)} width={Math.max(2, edgeX(selection.toMs) - edgeX(selection.fromMs))} y={y(selection.high)} height={Math.max(2, y(selection.low) - y(selection.high))} />}
            {dragged.value && <rect class="selection" x={LEFT + dragged.value.left} y={TOP + dragged.value.top} width={dragged.value.right - dragged.value.left} height={dragged.value.bottom - dragged.value.top} />}
            {at !== null && <CellCursor {...{ at, row, from, count, rows: cells.rows, plot }} />}
          </svg>
        )}
      </div>
    </Figure>
  );
}

function EndName({ line, x, y }: { line: Line; x: number; y: (value: number) => number }) {
  const end = line.values.filter((value) => value !== null).at(-1);
  return typeof end === "number" ? <text x={x} y={y(end) + 4}>{line.name}</text> : null;
}

function CellCursor({ at, row, from, count, rows, plot }: Cursor & { at: number; count: number; rows: number; plot: { width: number; height: number } }) {
  const [wide, tall] = [plot.width / count, plot.height / rows];
  const [left, right] = [Math.min(at, from?.at ?? at), Math.max(at, from?.at ?? at)];
  const [low, high] = [Math.min(row, from?.row ?? row), Math.max(row, from?.row ?? row)];
  return <rect class={from ? "selection" : "cell"} x={LEFT + left * wide} width={(right - left + 1) * wide} y={TOP + plot.height - (high + 1) * tall} height={(high - low + 1) * tall} />;
}
