// What is refused or fails, as the API says it (RFC 9457), or as the network does.

/** A refusal of the API, or a failure on the way. */
export interface Problem {
  /** 0: nothing answered. */
  readonly status: number;
  readonly code: string;
  readonly title: string;
  readonly detail: string;
  /** Which part of the question is at fault. */
  readonly pointer?: string;
  /** A cheaper question. */
  readonly try?: Record<string, unknown>;
  readonly request_id?: string;
}

/** A problem that is thrown. */
export class ProblemError extends Error {
  readonly problem: Problem;

  constructor(problem: Problem) {
    super(problem.detail || problem.title);
    this.problem = problem;
  }
}

/** Nothing answered: the browser is offline, or the gateway is away. */
export const OFFLINE: Problem = { status: 0, code: "offline", title: "Nothing answers", detail: "The gateway cannot be reached." };

/** The problem of an answer; `body` is what it bore, if it was JSON. */
export function problemOf(status: number, body: unknown, requestId: string | null): Problem {
  return problemIn({ status, ...(requestId && { request_id: requestId }), ...(typeof body === "object" ? body : {}) });
}

/** A problem document, also one that stands in the place of an answer. */
export function problemIn(read: Record<string, unknown>): Problem {
  const text = (name: string) => (typeof read[name] === "string" ? (read[name] as string) : "");
  const status = Number(read.status) || 400;
  return {
    status,
    code: text("code") || `http_${status}`,
    title: text("title") || `The gateway answered ${status}`,
    detail: text("detail"),
    ...(text("pointer") && { pointer: text("pointer") }),
    ...(typeof read.try === "object" && read.try !== null && { try: read.try as Record<string, unknown> }),
    ...(text("request_id") && { request_id: text("request_id") }),
  };
}
