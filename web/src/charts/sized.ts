// The width of an element as it is laid out, so that what is drawn fits. Pixels of CSS.
import { useSignal } from "@preact/signals";
import { type RefObject } from "preact";
import { useLayoutEffect, useRef } from "preact/hooks";

/** A reference to put on the element, and its width; 0 before it is laid out. */
export function useWidth<T extends HTMLElement>(): [RefObject<T | null>, number] {
  const element = useRef<T | null>(null);
  const width = useSignal(0);
  useLayoutEffect(() => {
    const seen = element.current;
    if (!seen) return undefined;
    const measure = () => (width.value = Math.floor(seen.clientWidth));
    const observer = new ResizeObserver(measure);
    observer.observe(seen);
    measure();
    return () => observer.disconnect();
  }, []);
  return [element, width.value];
}

/** Height of a chart: less on a phone. */
export function heightFor(width: number, usual = 220): number {
  return width < 480 ? Math.min(180, usual) : usual;
}
