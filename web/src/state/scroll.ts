// Where one was reading: Back, Forward and reload return there, as soon as the page is as high as it was. Pixels and ms.

/** How long a page may take to be as high as it was. */
const GIVEN_MS = 5_000;

/** How long one must not have scrolled for the place to be noted. */
const STILL_MS = 100;

/** Notes the place on the present entry of the history. */
export function notePlace(): void {
  history.replaceState({ y: scrollY }, "");
}

/** Notes where one scrolls to, and returns there. */
export function keepScroll(): () => void {
  let timer = 0;
  let stop = () => {};
  const note = () => {
    clearTimeout(timer);
    timer = window.setTimeout(notePlace, STILL_MS);
  };
  const back = () => {
    clearTimeout(timer);
    stop();
    stop = returnTo((history.state as { y?: number } | null)?.y ?? 0, note);
  };
  // The browser would scroll before the page has its height, and take what it then reaches for the place.
  history.scrollRestoration = "manual";
  back();
  addEventListener("popstate", back);
  return () => {
    stop();
    removeEventListener("popstate", back);
  };
}

/** Scrolls to `y` as often as the height changes, until somebody scrolls or the time is over; only then places are noted again. */
function returnTo(y: number, note: () => void): () => void {
  const end = new AbortController();
  const heard = { passive: true, signal: end.signal };
  const reach = new ResizeObserver(() => scrollTo(0, y));
  const stop = () => {
    end.abort();
    reach.disconnect();
    clearTimeout(timer);
    removeEventListener("scroll", note);
  };
  const done = () => {
    stop();
    addEventListener("scroll", note, { passive: true });
  };
  removeEventListener("scroll", note);
  const timer = window.setTimeout(done, y ? GIVEN_MS : 0);
  for (const name of ["wheel", "touchmove", "pointerdown", "keydown"]) addEventListener(name, done, heard);
  reach.observe(document.body);
  scrollTo(0, y);
  return stop;
}
