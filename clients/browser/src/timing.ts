// How long requests and files take: requests as the page makes them, files as the browser reports them.

import { page, plain } from "./page";
import type { Item } from "./types";

/** Most files of a page that are sent. */
const MAX_RESOURCES = 100;
const REQUESTS = ["fetch", "xmlhttprequest", "beacon", "ping"];
const MEMORY_MS = 30_000;

type Push = (item: Item) => void;

export function observeRequests(push: Push, own: string): void {
  const report = (address: string, method: string, status: number, begun: number): void => {
    const endpoint = plain(new URL(address, location.href).href);
    if (endpoint.startsWith(own)) return;
    push({ kind: "api", ts: Date.now(), endpoint, method, status, ms: performance.now() - begun });
  };
  const original = window.fetch;
  window.fetch = async function (input, init) {
    const begun = performance.now();
    const address = input instanceof Request ? input.url : String(input);
    const method = init?.method ?? (input instanceof Request ? input.method : "GET");
    try {
      const answer = await original.call(window, input, init);
      report(address, method, answer.status, begun);
      return answer;
    } catch (failure) {
      report(address, method, 0, begun);
      throw failure;
    }
  };
  const { open, send } = XMLHttpRequest.prototype;
  const asked = new WeakMap<XMLHttpRequest, [method: string, address: string]>();
  XMLHttpRequest.prototype.open = function (this: XMLHttpRequest, ...given: unknown[]) {
    asked.set(this, [String(given[0]), String(given[1])]);
    return open.apply(this, given as Parameters<typeof open>);
  } as typeof open;
  XMLHttpRequest.prototype.send = function (body) {
    const begun = performance.now();
    const [method, address] = asked.get(this) ?? ["GET", ""];
    this.addEventListener("loadend", () => report(address, method, this.status, begun));
    return send.call(this, body);
  };
}

export function observeResources(push: Push, own: string): void {
  let seen = 0;
  new PerformanceObserver((list) => {
    for (const { name, duration, initiatorType } of list.getEntries() as PerformanceResourceTiming[]) {
      if (REQUESTS.includes(initiatorType) || name.startsWith(own) || ++seen > MAX_RESOURCES) continue;
      push({ kind: "resource", ts: Date.now(), name: plain(name), ms: duration, page: page() });
    }
  }).observe({ type: "resource", buffered: true });
}

/** The heap, where the browser says how large it is. */
export function observeMemory(push: Push): void {
  const { memory } = performance as { memory?: { usedJSHeapSize: number; jsHeapSizeLimit: number } };
  if (!memory) return;
  setInterval(() => {
    if (document.visibilityState === "hidden") return;
    const { memory: now } = performance as unknown as { memory: NonNullable<typeof memory> };
    push({ kind: "memory", ts: Date.now(), value: now.usedJSHeapSize / now.jsHeapSizeLimit, page: page() });
  }, MEMORY_MS);
}
