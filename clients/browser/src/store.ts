// Batches that wait for an answer, kept over reloads: one entry of localStorage each, so that tabs do not disturb each other.

export interface Batch {
  id: string;
  /** When it was made, milliseconds since 1970. */
  at: number;
  /** How many items it holds. */
  count: number;
  body: string;
  /** When it was sent first without an answer; it may have arrived. */
  tried?: number;
}

/** Most batches that wait; of more the oldest is given up. */
export const MAX_BATCHES = 40;

export class Store {
  constructor(private readonly prefix: string) {}

  /** What a page before this one left behind, the oldest first. */
  load(): Batch[] {
    const found: Batch[] = [];
    this.each((name) => {
      const text = localStorage.getItem(name);
      if (text && name.startsWith(this.prefix + "batch:")) found.push(JSON.parse(text) as Batch);
    });
    return found.sort((one, other) => one.at - other.at);
  }

  save(batch: Batch): void {
    this.write("batch:" + batch.id, JSON.stringify(batch));
  }

  remove(batch: Batch): void {
    this.guarded(() => localStorage.removeItem(this.prefix + "batch:" + batch.id));
  }

  read(name: string): string | null {
    return this.guarded(() => localStorage.getItem(this.prefix + name)) ?? null;
  }

  write(name: string, text: string): void {
    this.guarded(() => localStorage.setItem(this.prefix + name, text));
  }

  /** Forget everything, such as when consent is withdrawn. */
  clear(): void {
    this.each((name) => localStorage.removeItem(name));
  }

  private each(visit: (name: string) => void): void {
    this.guarded(() =>
      Object.keys(localStorage)
        .filter((name) => name.startsWith(this.prefix))
        .forEach((name) => this.guarded(() => visit(name))),
    );
  }

  /** Storage may be forbidden or full, and its content anybody's: then batches live in memory alone. */
  private guarded<T>(work: () => T): T | undefined {
    try {
      return work();
    } catch {
      return undefined;
    }
  }
}
