// Who looks: the session that a key was turned into. The key itself is never kept by the page.
import { signal } from "@preact/signals";
import { change, forget, get, loggedOut } from "../api/client.ts";
import { ProblemError } from "../api/problem.ts";
import { AGAIN_MS, recovers } from "./question.ts";

export interface Session {
  readonly tenant: string;
  readonly scope: string;
  /** The first letters of the key. */
  readonly key: string;
  readonly expires_ms: number;
}

/** null: nobody has logged in, or it is not known yet. */
export const session = signal<Session | null>(null);

const PATH = "/v1/session";

/** Learns who looks, in the end also where the gateway is away; without a session the log-in page is shown. */
export async function loadSession(): Promise<void> {
  try {
    session.value = await get<Session>(PATH);
    loggedOut.value = false;
  } catch (error) {
    if (!(error instanceof ProblemError)) throw error;
    if (recovers(error.problem)) setTimeout(() => void loadSession(), AGAIN_MS);
    else session.value = null;
  }
}

/** Logs in with a key, or with the token of a link that works once. Throws `ProblemError`. */
export async function logIn(how: { key: string } | { once: string }): Promise<void> {
  forget();
  session.value = await change<Session>("POST", PATH, how);
  loggedOut.value = false;
}

export async function logOut(): Promise<void> {
  await change("DELETE", PATH);
  forget();
  session.value = null;
  loggedOut.value = true;
}
