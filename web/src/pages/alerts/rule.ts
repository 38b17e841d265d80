// What a rule's expression asks for, so that the page can ask the same. Pure.

export interface Asks {
  readonly metric: string;
  /** As the query API names it. */
  readonly figure: string;
  /** Windows it is decided on. */
  readonly resolution: string;
}

/** `api:response_seconds:p95_10s > 3` asks for p95 of api.response_seconds in windows of 10 s; null where it cannot be read. */
export function asksOf(expr: string): Asks | null {
  const found = /([a-zA-Z_]\w*(?::[a-zA-Z_]\w*)*):([a-z]+\d*)_(\d+[smh])\b/.exec(expr);
  return found && { metric: found[1]!.replaceAll(":", "."), figure: found[2]!, resolution: found[3]! };
}
