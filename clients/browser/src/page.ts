// Which page is shown: its address without query and fragment, and when another one is.

/** An address without query and fragment, which may name a person. */
export function plain(address: string): string {
  return address.split(/[?#]/, 1)[0]!;
}

export function page(): string {
  return plain(location.href);
}

/** Call `changed` when the route changes, or the page comes back out of the cache of the browser. */
export function observeRoutes(changed: () => void): void {
  let shown = page();
  const look = (): void => {
    if (page() === shown) return;
    shown = page();
    changed();
  };
  for (const name of ["pushState", "replaceState"] as const) {
    const original = history[name];
    history[name] = function (this: History, ...given: Parameters<History["pushState"]>) {
      original.apply(this, given);
      look();
    };
  }
  addEventListener("popstate", look);
  addEventListener("pageshow", (event) => event.persisted && changed());
}

/** Begin when somebody sees the page: a prerendered one may never be shown. */
export function whenShown(begin: () => void): void {
  const { prerendering } = document as Document & { prerendering?: boolean };
  if (prerendering) document.addEventListener("prerenderingchange", begin, { once: true });
  else begin();
}
