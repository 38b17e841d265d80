// Errors that nobody caught, and rejections of promises.

import { page } from "./page";
import type { Item } from "./types";

/** Most errors that a page sends; the others are counted. */
const MAX_ERRORS = 50;

export function errorItem(thrown: unknown, handled: boolean, properties?: object): Item {
  const error = thrown instanceof Error ? thrown : undefined;
  return {
    kind: "error",
    ts: Date.now(),
    id: crypto.randomUUID(),
    type: error?.name ?? "Error",
    message: String(error?.message ?? thrown).slice(0, 4096),
    stack: error?.stack?.slice(0, 16384),
    handled,
    page: page(),
    properties,
  };
}

export function observeErrors(push: (item: Item) => void, lost: (reason: string, count: number) => void): void {
  let seen = 0;
  const report = (thrown: unknown): void =>
    ++seen > MAX_ERRORS ? lost("error_limit", 1) : push(errorItem(thrown, false));
  addEventListener("error", (event) => report(event.error ?? event.message));
  addEventListener("unhandledrejection", (event) => report(event.reason));
}
