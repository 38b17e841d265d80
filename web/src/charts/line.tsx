// Lines over time, drawn by uPlot: solid where complete, dashed beyond, their names at their ends.
import type { Signal } from "@preact/signals";
import { useSignal } from "@preact/signals";
import { useEffect, useLayoutEffect, useMemo, useRef } from "preact/hooks";
import uPlot from "uplot";
import { brushable } from "./brush.ts";
import { NONE, type Brushed, type Cursor } from "./cursor.ts";
import { Figure } from "./figure.tsx";
import { shown } from "./incomplete.ts";
import { dataOf, optionsOf } from "./line_options.ts";
import { spoken, tableOf, windowName } from "./rows.ts";
import { heightFor, useWidth } from "./sized.ts";
import { themed } from "./theme.ts";
import { type Reach, grown, reach } from "./ticks.ts";
import type { Format, Limit, Line, Windows } from "./types.ts";

export interface LineProps {
  title: string;
  name: string;
  /** What is asked; axes shrink only when it changes. */
  question: string;
  windows: Windows;
  lines: readonly Line[];
  format: Format;
  limits?: readonly Limit[];
  height?: number;
  /** Shared with the charts above and below. */
  cursor?: Signal<Cursor>;
  onRange?: (fromMs: number, toMs: number) => void;
}

export function LineChart({ title, name, question, windows, lines, format, limits = [], height, cursor: shared, onRange }: LineProps) {
  const own = useSignal<Cursor>(NONE);
  const cursor = shared ?? own;
  const [box, width] = useWidth<HTMLDivElement>();
  const plot = useRef<uPlot | null>(null);
  const axis = useRef<{ question: string; reach: Reach } | null>(null);
  const drawn = useMemo(() => lines.map((line) => ({ ...line, values: shown(line.values, windows.complete, line.samples, line.isCount) })), [lines, windows]);
  const now = reach(drawn.flatMap((line) => [...line.values]).concat(limits.map((limit) => limit.value).slice(0, 1)));
  const y = grown(axis.current?.question === question ? axis.current.reach : undefined, now);
  axis.current = { question, reach: y };
  const tall = height ?? heightFor(width);
  const shape = `${width} ${tall} ${themed.value} ${windows.zone} ${lines.map((line) => `${line.name}${line.tone}${line.low ? "i" : ""}`).join()}`;
  // What hooks of the plot read at the time that they draw.
  const present = useRef({ windows, drawn, y, limits, format, onRange });
  present.current = { windows, drawn, y, limits, format, onRange };

  useLayoutEffect(() => {
    if (!box.current || width < 80) return undefined;
    const hovered = (at: number | null) => {
      if (cursor.peek().at !== at && !cursor.peek().from) cursor.value = at === null ? NONE : { ...NONE, at };
    };
    const made = new uPlot(optionsOf(width, tall, () => present.current, hovered), dataOf(windows, drawn), box.current);
    plot.current = made;
    const stop = brushable(made.over, {
      moved: (area) => made.setSelect(area ? { left: area.left, width: area.right - area.left, top: 0, height: made.over.clientHeight } : { left: 0, width: 0, top: 0, height: 0 }, false),
      done: (area) => present.current.onRange?.(Math.round(made.posToVal(area.left, "x")), Math.round(made.posToVal(area.right, "x"))),
    });
    return () => {
      stop();
      made.destroy();
      plot.current = null;
    };
  }, [shape]);

  useLayoutEffect(() => {
    plot.current?.setData(dataOf(windows, drawn));
  }, [windows, drawn, y.low, y.high, limits]);

  useEffect(() => cursor.subscribe(({ at, from }) => {
    const made = plot.current;
    if (!made) return;
    const left = at === null ? -10 : made.valToPos(made.data[0]![at] ?? 0, "x");
    if (made.cursor.idx !== at) made.setCursor({ left, top: at === null ? -10 : 0 }, false);
    if (from && at !== null) {
      const begin = made.valToPos(made.data[0]![from.at]!, "x");
      made.setSelect({ left: Math.min(begin, left), width: Math.abs(left - begin), top: 0, height: made.over.clientHeight }, false);
    } else if (made.select.width) made.setSelect({ left: 0, width: 0, top: 0, height: 0 }, false);
  }), [cursor, shape]);

  const brushed = onRange && (({ from, to }: Brushed) => onRange(windows.startMs[from]!, windows.endMs[to]!));
  return (
    <Figure
      title={title} name={name} cursor={cursor} count={windows.startMs.length} onBrush={brushed}
      say={({ at }) => `${windowName(windows.startMs[at]!, windows.endMs[at]!, windows.zone)}: ${drawn.map((line) => spoken(line, at, windows.complete[at]!, format)).join(" · ")}`}
      table={() => tableOf(windows, lines, format)}
    >
      <div class="chart-plot" ref={box} style={{ height: `${tall}px` }} />
    </Figure>
  );
}
