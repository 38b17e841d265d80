// The pages: name in the URL, title, key behind `g`, and the module that is loaded when it is opened.
import type { ComponentType } from "preact";
import Overview from "./overview.tsx";

export interface PageEntry {
  readonly title: string;
  /** `g` and then this key opens it; empty: none. */
  readonly key: string;
  /** In the first part of the navigation, in the second (behind the line), or in neither. */
  readonly group: "main" | "system" | "none";
  /** false: range, zone, comparison and filter do not change what it shows. */
  readonly isTimed?: boolean;
  load(): Promise<{ default: ComponentType }>;
}

/** In the order of the navigation. A page is a file in this folder whose default export is a component; the first one is part of the first script. */
export const PAGES: Readonly<Record<string, PageEntry>> = {
  overview: { title: "Overview", key: "o", group: "main", load: () => Promise.resolve({ default: Overview }) },
  vitals: { title: "Vitals", key: "v", group: "main", load: () => import("./vitals.tsx") },
  latency: { title: "Latency", key: "l", group: "main", load: () => import("./latency.tsx") },
  errors: { title: "Errors", key: "e", group: "main", load: () => import("./errors.tsx") },
  funnels: { title: "Funnels", key: "f", group: "main", load: () => import("./funnels.tsx") },
  alerts: { title: "Alerts", key: "a", group: "main", isTimed: false, load: () => import("./alerts.tsx") },
  explore: { title: "Explore", key: "x", group: "main", load: () => import("./explore.tsx") },
  pipeline: { title: "Pipeline", key: "p", group: "system", load: () => import("./pipeline.tsx") },
  connect: { title: "Connect", key: "c", group: "system", isTimed: false, load: () => import("./connect.tsx") },
  keys: { title: "Keys", key: "k", group: "none", isTimed: false, load: () => import("./keys.tsx") },
  login: { title: "Log in", key: "", group: "none", isTimed: false, load: () => import("./login.tsx") },
};
