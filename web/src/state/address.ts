// The present address as a signal, and the only way to change it.
import { computed, signal } from "@preact/signals";
import { notePlace } from "./scroll.ts";
import { type Address, readAddress, writeAddress } from "./url.ts";

/** Zone of this browser. */
export const ZONE = Intl.DateTimeFormat().resolvedOptions().timeZone || "UTC";

const read = () => readAddress(location.pathname, location.search, ZONE);

/** What the URL says. Pages read it; only `go` writes it. */
export const address = signal<Address>(read());

/** The name of the page that is shown. */
export const page = computed(() => address.value.page);

/** Changes the address; `replace`: Back does not return to the present one. */
export function go(change: Partial<Address>, options: { replace?: boolean } = {}): void {
  const next = { ...address.value, ...change };
  const url = writeAddress(next, ZONE);
  if (options.replace || url === location.pathname + location.search) history.replaceState(history.state, "", url);
  else push(url);
  address.value = next;
}

function push(url: string): void {
  notePlace();
  history.pushState(null, "", url);
}

/** Goes to a URL of the page. */
export function visit(url: string): void {
  push(url);
  address.value = read();
}

/** The URL of the present address with a change, for links. */
export function linkTo(change: Partial<Address>): string {
  return writeAddress({ ...address.value, ...change }, ZONE);
}

/** The URL of another page: range, zone, filter and comparison go with it; selection and settings of the page do not. */
export function linkToPage(page: string, item = ""): string {
  return linkTo({ page, item, by: [], sel: "", extra: {} });
}

addEventListener("popstate", () => {
  address.value = read();
});
