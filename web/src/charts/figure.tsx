// What every chart is for keyboard and ear: a figure with a sentence as its name, one tab stop, a cursor, a table.
import type { Signal } from "@preact/signals";
import { useSignal } from "@preact/signals";
import type { ComponentChildren } from "preact";
import { useEffect, useId, useMemo } from "preact/hooks";
import { type Brushed, type Cursor, pressed } from "./cursor.ts";
import type { TableText } from "./rows.ts";
import { ChartTable } from "./table.tsx";

export interface FigureProps {
  title: string;
  /** What the chart shows, in a sentence made from its numbers. */
  name: string;
  cursor: Signal<Cursor>;
  /** How many windows the cursor walks through, and rows where there are any. */
  count: number;
  rows?: number;
  /** What is at the cursor, in words. */
  say(cursor: Cursor & { at: number }): string;
  table(): TableText;
  onBrush?: ((brushed: Brushed) => void) | undefined;
  legend?: ComponentChildren;
  children: ComponentChildren;
}

const QUIET_MS = 300;

export function Figure({ title, name, cursor, count, rows = 1, say, table, onBrush, legend, children }: FigureProps) {
  const id = useId();
  const isTable = useSignal(false);
  const heard = useSignal("");
  const { at, from } = cursor.value;
  const saying = at !== null && at < count ? say({ ...cursor.value, at }) : "";
  const text = from ? `${saying} · Enter ends the selection, Escape gives it up` : saying;
  useEffect(() => {
    const timer = setTimeout(() => (heard.value = text), QUIET_MS);
    return () => clearTimeout(timer);
  }, [text]);
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.target !== event.currentTarget || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key.toLowerCase() === "t" && !event.shiftKey) isTable.value = !isTable.value;
    else {
      if (event.key === "Enter" && !onBrush) return;
      const step = pressed(cursor.value, event.key, event.shiftKey, count, rows);
      if (!step) return;
      cursor.value = step.cursor;
      if (step.brushed) onBrush?.(step.brushed);
    }
    event.preventDefault();
    event.stopPropagation();
  };
  const shownTable = useMemo(() => (isTable.value ? table() : null), [isTable.value, table]);
  return (
    <figure class="chart" role="figure" aria-label={name} aria-details={isTable.value ? `${id}-table` : undefined} tabIndex={0} onKeyDown={onKeyDown}>
      <figcaption class="chart-head">
        <span class="chart-title">{title}</span>
        <span class="chart-said meta" aria-hidden="true">{text}</span>
        {/* Keys have T for it: a chart is one tab stop. */}
        <button class="plain" tabIndex={-1} aria-expanded={isTable.value} aria-controls={`${id}-table`} onClick={() => (isTable.value = !isTable.value)}>
          {isTable.value ? "Hide table" : "Table"}
        </button>
      </figcaption>
      {children}
      {legend}
      <div class="hidden-text" aria-live="polite">{heard}</div>
      <div id={`${id}-table`}>{shownTable && <ChartTable caption={title} {...shownTable} />}</div>
    </figure>
  );
}
