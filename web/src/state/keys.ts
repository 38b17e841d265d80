// Single keys: a letter does something, `g` and a letter opens a page. Never with Ctrl, Alt or Meta, which are the browser's.
import { preferences } from "./preferences.ts";

export interface Shortcut {
  readonly keys: string;
  readonly name: string;
  run(): void;
}

const FIELDS = "input, select, textarea, [contenteditable]";
const SECOND_MS = 1500;

/** Listens until the result is called. */
export function listenToKeys(shortcuts: () => readonly Shortcut[]): () => void {
  let first = "";
  let firstMs = 0;
  const pressed = (event: KeyboardEvent) => {
    if (!preferences.peek().areKeysOn || event.ctrlKey || event.altKey || event.metaKey || event.defaultPrevented) return;
    const target = event.target as Element;
    if (target.closest(FIELDS) || document.querySelector("dialog[open]")) return;
    const isSecond = first !== "" && event.timeStamp - firstMs < SECOND_MS;
    const wanted = isSecond ? `${first} ${event.key}` : event.key;
    first = "";
    const all = shortcuts();
    const found = all.find(({ keys }) => keys === wanted);
    if (found) {
      event.preventDefault();
      found.run();
    } else if (all.some(({ keys }) => keys.startsWith(`${event.key} `))) {
      first = event.key;
      firstMs = event.timeStamp;
    }
  };
  document.addEventListener("keydown", pressed);
  return () => document.removeEventListener("keydown", pressed);
}
