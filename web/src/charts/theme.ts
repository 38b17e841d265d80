// The colours of the present theme for what is drawn on a canvas, and a signal that says when they have changed.
import { signal } from "@preact/signals";

/** Grows with each change of the theme. */
export const themed = signal(0);

const changed = () => {
  themed.value += 1;
};
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", changed);
matchMedia("(forced-colors: active)").addEventListener("change", changed);
new MutationObserver(changed).observe(document.documentElement, { attributeFilter: ["data-theme"] });

/** The value of a token such as `series-1`. */
export function token(name: string): string {
  return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
}

/** A colour of six digits as a word of RGBA pixels, as `ImageData` has them on a little-endian machine. */
export function pixel(hex: string): number {
  const rgb = parseInt(hex.slice(1), 16);
  return ((0xff << 24) | ((rgb & 0xff) << 16) | (rgb & 0xff00) | (rgb >> 16)) >>> 0;
}
