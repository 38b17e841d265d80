// The client of a page: what is observed becomes items, items become batches, and batches wait until they are answered.

import { errorItem, observeErrors } from "./errors";
import { Outbox } from "./outbox";
import { observeRoutes, page, whenShown } from "./page";
import { Session } from "./session";
import { type Batch, Store } from "./store";
import { observeMemory, observeRequests, observeResources } from "./timing";
import type { Item, Options } from "./types";
import { changedVitals, observeVitals } from "./vitals";

export type { Item, Options } from "./types";

/** Name and version of this client, as the receiver sees it. */
export const SDK = "tidegauge-browser 0.2.0";

const FLUSH_MS = 5000;
/** So long after a change what waits is handed to the browser, for the case that the page crashes. */
const ARM_MS = 1000;
const MAX_ITEMS = 50;
/** What a browser sends while a page ends is 64 KiB in all; 4 kB are left for the last vitals. */
const MAX_BYTES = 60_000;
/** Most items that wait for consent. */
const MAX_HELD = 200;
/** First paint, largest paint and first byte are known by then. */
const LOADED_MS = 10_000;
/** What is sent of sampled sessions alone. */
const SAMPLED = ["vital", "api", "resource", "operation", "render", "memory"];

const bytes = (text: string): number => new TextEncoder().encode(text).length;

export class Client {
  private readonly store: Store;
  private readonly outbox: Outbox;
  private readonly session: Session;
  private items: Item[] = [];
  private consented: boolean;
  private ending = false;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private arming: ReturnType<typeof setTimeout> | undefined;
  private armed: AbortController | undefined;

  constructor(private readonly options: Options) {
    this.store = new Store(`tidegauge:${options.key}:`);
    const address = `${options.url.replace(/\/$/, "")}/v1/browser?key=${encodeURIComponent(options.key)}`;
    this.outbox = new Outbox(address, this.store, this.lost);
    this.session = new Session(this.store, options.sampleRate ?? 1, () => this.event("session_start"));
    this.consented = options.consent ?? true;
    whenShown(() => this.begin());
  }

  /** Something that happened, under a type of your own. */
  event(type: string, properties?: object, name?: string): void {
    this.push({ ...this.occurrence("event"), type, name, properties });
  }

  /** A step of a funnel; the shipped one where `funnel` is not named. */
  step(step: string, properties?: object, funnel?: string): void {
    this.push({ ...this.occurrence("step"), step, funnel, properties });
  }

  /** An error that you caught. */
  error(thrown: unknown, properties?: object): void {
    this.push(errorItem(thrown, true, properties));
  }

  /** How long something took, in milliseconds. */
  time(name: string, ms: number, kind: "operation" | "render" = "operation"): void {
    this.push({ kind, ts: Date.now(), name, ms, page: page() });
  }

  /** Who uses the page from now on; undefined: nobody who is known. */
  identify(userId: string | undefined): void {
    this.flush();
    this.options.userId = userId;
  }

  /** False: forget what was not sent, and send and store nothing from now on. */
  consent(given: boolean): void {
    if (given === this.consented) return;
    this.consented = given;
    if (given) return this.flush();
    this.items = [];
    this.disarm();
    this.outbox.forget();
    this.session.forget();
    this.store.clear();
  }

  /** Send what waits now, and not some seconds later. */
  flush(): void {
    this.batch();
    void this.outbox.pump();
  }

  private begin(): void {
    const { url } = this.options;
    const push = (item: Item): void => this.push(item);
    observeVitals(() => this.changed());
    observeErrors(push, this.lost);
    observeRequests(push, url);
    observeResources(push, url);
    observeMemory(push);
    observeRoutes(() => {
      this.ending = false;
      this.viewed();
      this.flush();
    });
    this.viewed();
    if (this.consented) this.outbox.restore();
    setTimeout(() => this.flush(), LOADED_MS);
    addEventListener("online", () => this.outbox.hurry());
    // The library reports the last vitals when the page is hidden, in the capturing phase: this listener comes after it.
    document.addEventListener("visibilitychange", () => (document.hidden ? this.leave() : this.shown()));
    addEventListener("pagehide", () => {
      this.ending = true;
      this.leave();
    });
  }

  private viewed(): void {
    const { referrer, title } = document;
    this.push({ ...this.occurrence("page_view"), name: title.slice(0, 200), properties: { referrer: referrer.split("?")[0] } });
  }

  private shown(): void {
    this.ending = false;
    this.outbox.hurry();
  }

  private leave(): void {
    this.outbox.leave(this.batch(), this.ending);
  }

  private readonly lost = (reason: string, count: number): void =>
    this.push({ kind: "discarded", ts: Date.now(), reason, count });

  private occurrence(kind: string): Item {
    return { kind, ts: Date.now(), id: crypto.randomUUID(), page: page() };
  }

  private allowed(item: Item): Item | null | undefined {
    const { beforeSend } = this.options;
    return beforeSend ? beforeSend(item) : item;
  }

  private push(item: Item): void {
    const sent = this.allowed(item);
    if (!sent) return;
    if (this.consented && SAMPLED.includes(sent.kind) && !this.session.current().sampled) return;
    this.items.push(sent);
    this.changed();
    if (!this.consented) {
      if (this.items.length > MAX_HELD) this.items.shift();
    } else if (this.items.length >= MAX_ITEMS) this.flush();
    // What was lost goes with what comes next: alone it might be refused as well, and be reported for ever.
    else if (sent.kind !== "discarded") this.timer ??= setTimeout(() => this.flush(), FLUSH_MS);
  }

  private changed(): void {
    this.arming ??= setTimeout(() => {
      this.disarm();
      if (!this.consented) return;
      const { id, sampled } = this.session.current();
      const vitals = sampled ? changedVitals(false).flatMap((vital) => this.allowed(vital) ?? []) : [];
      const items = [...this.items, ...vitals];
      if (!items.length) return;
      this.armed = new AbortController();
      this.outbox.deferred(this.sealed(id, items.map((item) => JSON.stringify(item))), this.armed.signal);
    }, ARM_MS);
  }

  private disarm(): void {
    clearTimeout(this.arming);
    this.arming = undefined;
    this.armed?.abort();
    this.armed = undefined;
  }

  /** What waits, as batches that are stored. */
  private batch(): Batch[] {
    clearTimeout(this.timer);
    this.timer = undefined;
    if (!this.consented) return [];
    for (const vital of changedVitals(true)) this.push(vital);
    this.disarm();
    const { id } = this.session.current();
    const made: Batch[] = [];
    let texts: string[] = [];
    let size = 0;
    let tooLarge = 0;
    const close = (): void => {
      if (texts.length) made.push(this.sealed(id, texts));
      texts = [];
      size = 0;
    };
    for (const item of this.items) {
      const text = JSON.stringify(item);
      const more = bytes(text) + 1;
      if (more > MAX_BYTES - 1000) {
        tooLarge++;
        continue;
      }
      if (size + more > MAX_BYTES - 1000) close();
      texts.push(text);
      size += more;
    }
    close();
    this.items = [];
    made.forEach((each) => this.outbox.add(each));
    if (tooLarge) this.lost("too_large", tooLarge);
    return made;
  }

  private sealed(session: string, texts: string[]): Batch {
    const { release, environment, userId, sampleRate } = this.options;
    const id = crypto.randomUUID();
    const head = JSON.stringify({
      batch_id: id, session_id: session, user_id: userId, release, environment, sdk: SDK,
      user_agent: navigator.userAgent.slice(0, 400), sample_rate: sampleRate || undefined,
    });
    const body = `${head.slice(0, -1)},"items":[${texts.join()}]}`;
    return { id, at: Date.now(), count: texts.length, body };
  }
}

let started: Client | undefined;

/** Start the client of this page; called again, the one that runs. */
export function init(options: Options): Client {
  return (started ??= new Client({ ...options }));
}
