// Web vitals: the last value of each is kept, and read when something is sent, so that the last one is never missed.

import { type MetricType, onCLS, onFCP, onINP, onLCP, onTTFB } from "web-vitals";
import { plain } from "./page";
import type { Item } from "./types";

interface Kept {
  metric: MetricType;
  page: string;
  /** What was sent last, and how often. */
  sent: number;
  seq: number;
}

const vitals = new Map<string, Kept>();

/** Begin to observe, and call `changed` whenever one has changed; call it once a page. */
export function observeVitals(changed: () => void): void {
  const keep = (metric: MetricType): void => {
    const { navigationURL } = metric as MetricType & { navigationURL?: string };
    const kept = vitals.get(metric.id);
    if (kept) kept.metric = metric;
    else vitals.set(metric.id, { metric, page: plain(navigationURL ?? location.href), sent: 0, seq: 0 });
    changed();
  };
  for (const observe of [onCLS, onFCP, onINP, onLCP, onTTFB]) observe(keep, { reportAllChanges: true });
}

/**
 * What has changed since it was sent; `delta` and `seq` let the receiver take back what it was told before.
 * `sent`: remember that it is sent now.
 */
export function changedVitals(sent: boolean): Item[] {
  const items: Item[] = [];
  for (const [id, kept] of vitals) {
    const { name, value, navigationType } = kept.metric;
    if (kept.seq && value === kept.sent) continue;
    const { seq } = kept;
    const delta = value - kept.sent;
    items.push({ kind: "vital", ts: Date.now(), id, name, value, delta, seq, navigationType, page: kept.page });
    if (!sent) continue;
    kept.sent = value;
    kept.seq++;
  }
  return items;
}
