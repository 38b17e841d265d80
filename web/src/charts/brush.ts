// A brush by pointer: drag with a mouse, hold and drag with a finger. Boxes are in pixels of the element.

export interface Box {
  left: number;
  right: number;
  top: number;
  bottom: number;
}

export interface Brush {
  /** The box as it grows; null: there is none any more. */
  moved(box: Box | null): void;
  done(box: Box): void;
}

const HOLD_MS = 400;
const LEAST_PX = 4;

/** Lets an element be brushed; the result takes that back. */
export function brushable(over: HTMLElement, brush: Brush): () => void {
  let begun: { x: number; y: number; id: number } | null = null;
  let active = false;
  let timer = 0;
  const at = (event: PointerEvent) => {
    const { left, top, width, height } = over.getBoundingClientRect();
    return { x: Math.min(width, Math.max(0, event.clientX - left)), y: Math.min(height, Math.max(0, event.clientY - top)) };
  };
  const boxTo = ({ x, y }: { x: number; y: number }): Box => ({
    left: Math.min(begun!.x, x), right: Math.max(begun!.x, x), top: Math.min(begun!.y, y), bottom: Math.max(begun!.y, y),
  });
  const end = () => {
    clearTimeout(timer);
    if (active) brush.moved(null);
    begun = null;
    active = false;
  };
  const down = (event: PointerEvent) => {
    if (event.button !== 0) return;
    begun = { ...at(event), id: event.pointerId };
    if (event.pointerType === "touch") timer = window.setTimeout(() => { active = true; brush.moved(boxTo(begun!)); }, HOLD_MS);
  };
  const move = (event: PointerEvent) => {
    if (!begun || event.pointerId !== begun.id) return;
    const to = at(event);
    if (!active && Math.hypot(to.x - begun.x, to.y - begun.y) > LEAST_PX) {
      if (event.pointerType === "touch") return end(); // the finger scrolls
      active = true;
      over.setPointerCapture(event.pointerId);
    }
    if (active) brush.moved(boxTo(to));
  };
  const up = (event: PointerEvent) => {
    if (!begun || event.pointerId !== begun.id) return;
    const box = active ? boxTo(at(event)) : null;
    end();
    if (box && box.right - box.left > LEAST_PX) brush.done(box);
  };
  const hold = (event: TouchEvent) => {
    if (active) event.preventDefault(); // a brush does not scroll
  };
  const stop = new AbortController();
  const { signal } = stop;
  over.addEventListener("pointerdown", down, { signal });
  over.addEventListener("pointermove", move, { signal });
  over.addEventListener("pointerup", up, { signal });
  over.addEventListener("pointercancel", end, { signal });
  over.addEventListener("touchmove", hold, { signal, passive: false });
  over.addEventListener("contextmenu", (event) => active && event.preventDefault(), { signal });
  return () => {
    end();
    stop.abort();
  };
}
