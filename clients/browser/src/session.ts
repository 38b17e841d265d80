// A session ends after 30 minutes without anything to send. It is drawn once whether its vitals and times are sent.

import type { Store } from "./store";

const IDLE_MS = 30 * 60 * 1000;
const TOUCH_MS = 10_000;

interface Kept {
  id: string;
  last: number;
  sampled: boolean;
}

export class Session {
  private kept: Kept | undefined;

  constructor(
    private readonly store: Store,
    private readonly rate: number,
    private readonly begun: () => void,
  ) {}

  /** The session that goes on now, a new one where the last is over. */
  current(now = Date.now()): Kept {
    const kept = this.kept ?? this.stored();
    if (kept && now - kept.last < IDLE_MS) {
      if (now - kept.last > TOUCH_MS || !this.kept) this.keep({ ...kept, last: now });
      return this.kept!;
    }
    this.keep({ id: crypto.randomUUID(), last: now, sampled: Math.random() < this.rate });
    this.begun();
    return this.kept!;
  }

  forget(): void {
    this.kept = undefined;
  }

  private stored(): Kept | undefined {
    try {
      return JSON.parse(this.store.read("session") ?? "null") ?? undefined;
    } catch {
      return undefined;
    }
  }

  private keep(kept: Kept): void {
    this.kept = kept;
    this.store.write("session", JSON.stringify(kept));
  }
}
