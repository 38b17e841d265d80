// Questions of `GET /v1/query` and their answers, as docs/API.md says. Times are ms UTC.

/** One question; what is left out is as the API has it. */
export interface Question {
  readonly id: string;
  readonly metric: string;
  readonly kind?: string;
  readonly unit?: string;
  readonly aggregates: readonly string[];
  readonly where?: readonly string[];
  readonly by?: readonly string[];
  readonly top?: { readonly n: number; readonly of: string };
  readonly resolution?: string;
  readonly compare?: string;
  readonly from?: string;
  readonly to?: string;
  readonly tz?: string;
  readonly min_samples?: number;
}

/** Questions of one range. */
export interface Query {
  readonly from?: string;
  readonly to?: string;
  readonly tz?: string;
  readonly questions: readonly Question[];
}

/** The address of a query: equal queries have equal ones. */
export function queryPath(query: Query): string {
  return `/v1/query?q=${encodeURIComponent(JSON.stringify(query))}`;
}
