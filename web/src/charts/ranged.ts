// A brush by pointer on a chart over time that is drawn as SVG: what is dragged over, and the range that it stands for.
import { useSignal } from "@preact/signals";
import type { RefObject } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { LEFT } from "./area.ts";
import { brushable } from "./brush.ts";
import type { Windows } from "./types.ts";

export type OnRange = (fromMs: number, toMs: number) => void;

/** A reference to put on the SVG, whose plot is `wide` pixels; and what is dragged over now, null: nothing. */
export function useRanged(wide: number, windows: Windows, onRange: OnRange | undefined): [RefObject<SVGSVGElement | null>, { left: number; right: number } | null] {
  const over = useRef<SVGSVGElement>(null);
  const dragged = useSignal<{ left: number; right: number } | null>(null);
  // What the pointer reads at the time that it moves.
  const present = useRef({ wide, windows, onRange });
  present.current = { wide, windows, onRange };
  useEffect(() => {
    if (!over.current || !onRange) return undefined;
    const msAt = (left: number) => {
      const { windows: { startMs, endMs }, wide: width } = present.current;
      const [from, to] = [startMs[0] ?? 0, endMs.at(-1) ?? 1];
      return Math.round(from + ((to - from) * Math.min(width, Math.max(0, left - LEFT))) / width);
    };
    return brushable(over.current as unknown as HTMLElement, {
      moved: (box) => { dragged.value = box && { left: box.left, right: box.right }; },
      done: (box) => present.current.onRange?.(msAt(box.left), msAt(box.right)),
    });
  }, [wide > 1, !onRange]);
  return [over, dragged.value];
}
