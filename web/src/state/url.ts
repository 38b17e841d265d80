// The URL is the state of a page: what is asked, of when, and what is selected. Pure; times as the API writes them.
import { isZone } from "../time/instants.ts";

/** What every page reads from its URL. Everything else a page wants to remember goes into `extra`. */
export interface Address {
  /** Name of the page: the path behind `/ui/`. */
  readonly page: string;
  /** What follows the page's name in the path, such as the id of an alert. */
  readonly item: string;
  /** Begin and end: `now`, `now-6h`, milliseconds, or a wall time of the zone such as `2026-10-24T00:00`. */
  readonly from: string;
  readonly to: string;
  /** Zone of days and of shown times. */
  readonly tz: string;
  /** Conditions such as `endpoint=/checkout`, as `where` of the query API. */
  readonly where: readonly string[];
  readonly by: readonly string[];
  /** What is compared with: empty, `previous`, `1d`, `7d`. */
  readonly compare: string;
  /** What is selected on the page. */
  readonly sel: string;
  readonly extra: Readonly<Record<string, string>>;
}

export const DEFAULTS = { from: "now-1h", to: "now", compare: "", sel: "" } as const;

const KNOWN = new Set(["from", "to", "tz", "where", "by", "compare", "sel"]);

/** Longest condition that is read from an URL, in characters; longer ones are left out, which `leftOut` says. */
export const MAX_TEXT = 1000;

/** The state that a URL stands for; `zone` is the one of the browser. Never throws, whatever the URL holds. */
export function readAddress(path: string, search: string, zone: string): Address {
  const query = new URLSearchParams(search);
  const tz = query.get("tz") ?? "";
  const [page = "", ...rest] = path.replace(/^\/ui\/?/, "").split("/");
  const extra: Record<string, string> = {};
  for (const [name, value] of query) if (!KNOWN.has(name) && name !== "once") extra[name] = value.slice(0, MAX_TEXT);
  return {
    page: page || "overview",
    item: safeDecode(rest.join("/")),
    from: query.get("from") || DEFAULTS.from,
    to: query.get("to") || DEFAULTS.to,
    tz: isZone(tz) ? tz : zone,
    where: query.getAll("where").filter((text) => text !== "" && text.length <= MAX_TEXT),
    by: (query.get("by") ?? "").split(",").filter(Boolean),
    compare: query.get("compare") ?? DEFAULTS.compare,
    sel: query.get("sel") ?? DEFAULTS.sel,
    extra,
  };
}

/** What of a URL the page does not heed, in sentences. */
export function leftOut(search: string): string[] {
  const query = new URLSearchParams(search);
  const tz = query.get("tz");
  const long = query.getAll("where").filter((text) => text.length > MAX_TEXT);
  return [
    ...(tz && !isZone(tz) ? [`No time zone is called “${tz.slice(0, 60)}”: times are those of this browser.`] : []),
    ...long.map((text) => `A condition of ${text.length.toLocaleString("en")} characters is left out of the filter: it may have ${MAX_TEXT.toLocaleString("en")}.`),
  ];
}

/** The URL of a state, as short as it can be: what is as usual is left out. */
export function writeAddress(state: Address, zone: string): string {
  const query = new URLSearchParams();
  if (state.from !== DEFAULTS.from) query.set("from", state.from);
  if (state.to !== DEFAULTS.to) query.set("to", state.to);
  if (state.tz !== zone) query.set("tz", state.tz);
  for (const text of state.where) query.append("where", text);
  if (state.by.length) query.set("by", state.by.join(","));
  if (state.compare) query.set("compare", state.compare);
  if (state.sel) query.set("sel", state.sel);
  for (const [name, value] of Object.entries(state.extra)) if (value !== "") query.set(name, value);
  const text = readable(query.toString());
  const item = state.item ? `/${encodeURIComponent(state.item)}` : "";
  return `/ui/${state.page}${item}${text ? `?${text}` : ""}`;
}

/** Signs that need no escape in a query, as a reader wants to see them. */
function readable(query: string): string {
  return query.replace(/%(2F|3A|2C|7E|2A)/g, (sign) => decodeURIComponent(sign));
}

function safeDecode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
