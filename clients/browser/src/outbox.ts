// Sends batches, the oldest first, until each was answered: the same bytes under the same id, so that repeats count once.

import { type Batch, MAX_BATCHES, type Store } from "./store";

/** Batches older than this are given up: events are known by their ids for 7 days, and the gateway takes 5 days back. */
const MAX_AGE_MS = 20 * 3600 * 1000;
/** Points that were sent so long ago may count again: the gateway knows their batch for 15 minutes. */
const KNOWN_MS = 14 * 60 * 1000;
/** What has no id that is known for long. */
const POINTS = ["vital", "api", "resource", "operation", "render", "memory", "discarded"];
const TIMEOUT_MS = 10_000;
const LONGEST_WAIT_MS = 60_000;
/** From here on a body is compressed. */
const COMPRESSED_BYTES = 2048;
const AGAIN = [0, 408, 425, 429];
/** Of these the gateway has surely taken nothing. */
const NOT_TAKEN = [408, 425, 429];

const send = window.fetch.bind(window);

export class Outbox {
  private batches: Batch[] = [];
  private busy = false;
  private failures = 0;
  private timer: ReturnType<typeof setTimeout> | undefined;

  constructor(
    private readonly address: string,
    private readonly store: Store,
    private readonly lost: (reason: string, count: number) => void,
  ) {}

  /** Take up what a page before this one could not send; it goes first. */
  restore(): void {
    const known = new Set(this.batches.map((batch) => batch.id));
    this.batches.unshift(...this.store.load().filter((batch) => !known.has(batch.id)));
    void this.pump();
  }

  /** A new batch; stored before it is sent. */
  add(batch: Batch): void {
    this.batches.push(batch);
    this.store.save(batch);
    while (this.batches.length > MAX_BATCHES) this.giveUp(this.batches[0]!, "queue_overflow");
  }

  /** Send what waits, one by one. */
  async pump(): Promise<void> {
    if (this.busy || this.timer) return;
    this.busy = true;
    let batch: Batch | undefined;
    // Without a network nothing is tried, so that nothing is in doubt: `hurry` comes when it is back.
    while (navigator.onLine && (batch = this.batches[0])) {
      const now = Date.now();
      if (now - batch.at > MAX_AGE_MS) this.giveUp(batch, "too_old");
      else if (now - (batch.tried ?? now) > KNOWN_MS) this.withoutPoints(batch);
      else if (!(await this.deliver(batch))) break;
    }
    this.busy = false;
  }

  /** Try at once, such as when the network is back. */
  hurry(): void {
    clearTimeout(this.timer);
    this.timer = undefined;
    void this.pump();
  }

  /** The page may end now: hand over what waits, `first` before the rest. What is not answered stays stored. */
  leave(first: Batch[], ending: boolean): void {
    if (!navigator.onLine) return;
    for (const batch of new Set([...first, ...this.batches])) {
      if (ending ? !this.beacon(batch) : !this.keepAlive(batch)) return;
    }
  }

  /** Have the browser send a batch when the page has ended, where it can: also after a crash. */
  deferred(batch: Batch, signal: AbortSignal): void {
    const { fetchLater } = window as { fetchLater?: (address: string, init: RequestInit) => unknown };
    try {
      fetchLater?.(this.url(), { ...this.request(batch.body), signal });
    } catch {
      // The browser has no room for it; the page still sends it by itself.
    }
  }

  forget(): void {
    this.batches = [];
  }

  private beacon(batch: Batch): boolean {
    this.mark(batch);
    return navigator.sendBeacon(this.url(), batch.body) || this.keepAlive(batch);
  }

  private keepAlive(batch: Batch): boolean {
    this.mark(batch);
    const init = { ...this.request(batch.body), keepalive: true };
    send(this.url(), init).then(
      (answer) => answer.ok && this.drop(batch),
      () => undefined, // It stays stored.
    );
    return true;
  }

  /** Whether the next one may be tried. */
  private async deliver(batch: Batch): Promise<boolean> {
    const first = this.mark(batch);
    const [status, waitMs] = await this.post(batch.body);
    if (status >= 200 && status < 300) this.drop(batch);
    else if (AGAIN.includes(status) || status >= 500) {
      if (first && NOT_TAKEN.includes(status)) this.mark(batch, 0);
      return this.later(waitMs);
    } else this.giveUp(batch, "refused");
    this.failures = 0;
    return true;
  }

  private async post(body: string): Promise<[status: number, waitMs: number]> {
    const stop = new AbortController();
    const timer = setTimeout(() => stop.abort(), TIMEOUT_MS);
    try {
      const answer = await send(this.url(), { ...this.request(await compressed(body)), signal: stop.signal });
      return [answer.status, 1000 * Number(answer.headers.get("retry-after")) || 0];
    } catch {
      return [0, 0];
    } finally {
      clearTimeout(timer);
    }
  }

  private request(body: string | Uint8Array<ArrayBuffer>): RequestInit {
    return { method: "POST", body, headers: { "content-type": "text/plain;charset=UTF-8" }, credentials: "omit" };
  }

  private later(waitMs: number): false {
    const backoff = Math.random() * Math.min(LONGEST_WAIT_MS, 1000 * 2 ** this.failures++);
    this.timer = setTimeout(() => this.hurry(), Math.max(waitMs, backoff));
    return false;
  }

  /** The time of sending stands in the address: the body stays the same. */
  private url(): string {
    return `${this.address}&sent_at=${Date.now()}`;
  }

  /** Note that a batch is being sent, for a page that finds it later; whether it was not before. */
  private mark(batch: Batch, tried = batch.tried || Date.now()): boolean {
    const first = !batch.tried;
    if (batch.tried !== tried && this.batches.includes(batch)) {
      batch.tried = tried || undefined;
      this.store.save(batch);
    }
    return first;
  }

  /** Events alone go again, under an id of their own: each is known by its id. Points may have counted already. */
  private withoutPoints(batch: Batch): void {
    const said = JSON.parse(batch.body) as { items: { kind: string }[] };
    const items = said.items.filter((item) => !POINTS.includes(item.kind));
    const id = crypto.randomUUID();
    if (items.length) {
      const left = { id, at: batch.at, count: items.length, body: JSON.stringify({ ...said, batch_id: id, items }) };
      this.batches.unshift(left);
      this.store.save(left);
    }
    this.drop(batch);
    const points = batch.count - items.length;
    if (points) this.lost("in_doubt", points);
  }

  private giveUp(batch: Batch, reason: string): void {
    this.drop(batch);
    this.lost(reason, batch.count);
  }

  private drop(batch: Batch): void {
    this.batches = this.batches.filter((other) => other.id !== batch.id);
    this.store.remove(batch);
  }
}

async function compressed(body: string): Promise<string | Uint8Array<ArrayBuffer>> {
  if (body.length < COMPRESSED_BYTES || !("CompressionStream" in window)) return body;
  const stream = new Blob([body]).stream().pipeThrough(new CompressionStream("gzip"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}
