// Log in with a key, or with a link that works once. The key goes to the gateway and is not kept here.
import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { type Problem, ProblemError } from "../api/problem.ts";
import { ProblemNote } from "../parts/problem.tsx";
import { address, go } from "../state/address.ts";
import { logIn, session } from "../state/session.ts";

export default function Login() {
  const key = useSignal("");
  const isBusy = useSignal(false);
  const problem = useSignal<Problem | null>(null);
  const enter = async (how: { key: string } | { once: string }) => {
    isBusy.value = true;
    problem.value = null;
    try {
      await logIn(how);
      // Whoever was sent here from a page goes on there.
      if (address.peek().page === "login") go({ page: "overview" }, { replace: true });
    } catch (error) {
      if (!(error instanceof ProblemError)) throw error;
      problem.value = error.problem;
    } finally {
      isBusy.value = false;
      key.value = "";
    }
  };
  useEffect(() => {
    const once = new URLSearchParams(location.search).get("once");
    if (!once) return;
    // A token must not stay where Back or a copied link would find it.
    history.replaceState(null, "", "/ui/login");
    void enter({ once });
  }, []);
  return (
    <section class="panel login">
      <h1>≋ Tidegauge</h1>
      {session.value && <p class="note" role="alert">Your session has ended: its key was revoked, or it is older than 12 hours. Log in, and the page goes on where it was.</p>}
      <p>Log in with a key of scope read or admin. It is turned into a session of 12 hours, and this browser does not keep it.</p>
      <form class="form" onSubmit={(event) => { event.preventDefault(); void enter({ key: key.value.trim() }); }}>
        <label>Key <input type="password" name="key" autocomplete="off" spellcheck={false} required maxLength={200} value={key.value} onInput={({ currentTarget }) => (key.value = currentTarget.value)} /></label>
        <p class="actions"><button class="primary" disabled={isBusy.value || key.value.trim() === ""}>{isBusy.value ? "Logging in …" : "Log in"}</button></p>
      </form>
      {problem.value && <ProblemNote problem={problem.value} />}
      <p class="meta">On this machine <code>tidegauge key create --scope read</code> makes a key, and <code>make run</code> prints a link that logs in once.</p>
    </section>
  );
}
