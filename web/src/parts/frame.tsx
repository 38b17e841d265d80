// The frame around every page: navigation, range, filter, freshness; on a phone a bar at the bottom.
import { useSignal } from "@preact/signals";
import type { ComponentType } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { loggedOut, nowMs } from "../api/client.ts";
import { alertsTold, follow } from "../api/live.ts";
import { PAGES, type PageEntry } from "../pages/index.ts";
import { address, go, linkToPage, page, visit } from "../state/address.ts";
import { active, firing } from "../state/alerts.ts";
import { type Shortcut, listenToKeys } from "../state/keys.ts";
import { useAsked } from "../state/question.ts";
import { keepScroll } from "../state/scroll.ts";
import { session } from "../state/session.ts";
import { absolute, isMoving, moved, spanOf } from "../time/ranges.ts";
import { Dialog } from "./dialog.tsx";
import { Empty } from "./empty.tsx";
import { FilterBar, isFiltering } from "./filter_bar.tsx";
import { FreshnessLine, resume, shownSamples } from "./freshness.tsx";
import { ComparePicker, RangePicker, ZonePicker } from "./range_picker.tsx";
import { Help, Settings } from "./settings.tsx";
import { ViewPicker } from "./view_picker.tsx";

const LOGIN = "login";
const PHONE: readonly [string, string][] = [["overview", "Overview"], ["vitals", "Experience"], ["errors", "Errors"], ["alerts", "Alerts"]];

export function Frame() {
  const open = useSignal<"" | "settings" | "help" | "more">("");
  const said = useSignal("");
  const main = useRef<HTMLElement>(null);
  const name = loggedOut.value ? LOGIN : page.value;
  const shortcuts = () => keysOf({ help: () => (open.value = "help"), say: (text) => (said.value = text) });
  useEffect(() => listenToKeys(shortcuts), []);
  useEffect(() => onLinks(main), []);
  useEffect(keepScroll, []);
  useActiveAlerts(name);
  useEffect(() => {
    const count = firing.value.length;
    document.title = `${count ? `(${count}) ` : ""}${PAGES[name]?.title ?? name} · Tidegauge`;
  }, [name, firing.value.length]);
  useEffect(() => (name === LOGIN ? undefined : follow()), [name === LOGIN]);
  const close = () => (open.value = "");
  const isTimed = PAGES[name]?.isTimed !== false;
  if (name === LOGIN) return <main id="main" class="page"><Loaded name={LOGIN} /></main>;
  return (
    <>
      <a class="skip" href="#main" onClick={(event) => { event.preventDefault(); main.current?.focus(); }}>Skip to the page</a>
      <header class="frame-head">
        <div class="frame-bar">
          <a class="brand" href={linkToPage("overview")}>≋ Tidegauge</a>
          <nav class="frame-nav" aria-label="Pages">
            <NavLinks group="main" />
            <span class="nav-line" aria-hidden="true" />
            <NavLinks group="system" />
          </nav>
          {session.value && <span class="tenant muted">{session.value.tenant} · {session.value.scope}</span>}
          <button class="plain" aria-label="Settings" onClick={() => (open.value = "settings")}>⚙</button>
        </div>
        {isTimed && (
          <div class="frame-bar tools" role="group" aria-label="What is shown">
            <RangePicker /><ZonePicker /><ComparePicker /><ViewPicker /><FilterBar />
            <LinkButtons said={said.value} say={(text) => (said.value = text)} />
          </div>
        )}
        <div class="frame-bar line"><FreshnessLine isTimed={isTimed} /></div>
      </header>
      <main id="main" class="page" tabIndex={-1} ref={main}><Loaded name={name} /></main>
      <nav class="bottom-bar" aria-label="Pages, short">
        {PHONE.filter(([each]) => PAGES[each]).map(([each, title]) => (
          <a key={each} href={linkToPage(each)} {...(name === each && { "aria-current": "page" as const })}>{title}{each === "alerts" && firing.value.length > 0 && <sub> {firing.value.length}</sub>}</a>
        ))}
        <button class="plain" onClick={() => (open.value = "more")}>More</button>
      </nav>
      {open.value === "settings" && <Settings onClose={close} />}
      {open.value === "help" && <Help shortcuts={shortcuts()} onClose={close} />}
      {open.value === "more" && (
        <Dialog title="Pages" onClose={close}>
          <ul class="more" onClick={close}>
            {Object.entries(PAGES).filter(([name]) => name !== "login").map(([each, entry]) => <li key={each}><a href={linkToPage(each)}>{entry.title}</a></li>)}
          </ul>
        </Dialog>
      )}
    </>
  );
}

function NavLinks({ group }: { group: PageEntry["group"] }) {
  return (
    <>
      {Object.entries(PAGES).filter(([, entry]) => entry.group === group).map(([name, entry]) => (
        <a key={name} href={linkToPage(name)} {...(page.value === name && { "aria-current": "page" as const })}>
          {entry.title}{name === "alerts" && firing.value.length > 0 && <sub aria-label={`, ${firing.value.length} firing`}>{firing.value.length}</sub>}
        </a>
      ))}
    </>
  );
}

function LinkButtons({ said, say }: { said: string; say(text: string): void }) {
  return (
    <span class="links">
      <button onClick={() => void copyLink(true, say)}>Copy link</button>
      {isMoving(address.value) && <button class="plain" onClick={() => void copyLink(false, say)}>as a moving range</button>}
      <span class="meta" role="status">{said}</span>
    </span>
  );
}

/** Copies a link to this moment, or to a range that moves on; never a key. */
async function copyLink(isMoment: boolean, say: (text: string) => void): Promise<void> {
  const url = new URL(location.href);
  const span = spanOf(address.peek(), address.peek().tz, nowMs());
  if (isMoment && span) {
    const { from, to } = absolute(span.fromMs, span.toMs, address.peek().tz);
    url.searchParams.set("from", from);
    url.searchParams.set("to", to);
  }
  url.searchParams.set("tz", address.peek().tz);
  try {
    await navigator.clipboard.writeText(url.href);
    say(isMoment ? "Link to this moment copied" : "Moving link copied");
  } catch {
    say(url.href);
  }
}

/** The page of a name, as soon as its module is there; the one before stays until then. */
function Loaded({ name }: { name: string }) {
  const loaded = useSignal<{ name: string; Page: ComponentType } | null>(null);
  useEffect(() => {
    shownSamples.value = null;
    let isWanted = true;
    void PAGES[name]?.load().then(({ default: Page }) => { if (isWanted) loaded.value = { name, Page }; });
    return () => { isWanted = false; };
  }, [name]);
  if (!PAGES[name]) return <Empty title="There is no such page">The address names “{name.slice(0, 60)}”. <a href={linkToPage("overview")}>To the overview</a></Empty>;
  const Page = loaded.value?.name === name ? loaded.value.Page : null;
  return Page ? <Page key={name} /> : <div class="skeleton" style={{ height: "480px" }} aria-busy="true" />;
}

/** Alerts are asked for each 5 s: 304 while nothing has changed. */
function useActiveAlerts(name: string): void {
  const asked = useAsked<{ alerts: NonNullable<typeof active.value> }>(name === LOGIN ? null : "/v1/alerts", 5_000);
  const told = alertsTold.value;
  useEffect(() => { if (told) asked.again(); }, [told]);
  useEffect(() => {
    if (asked.data) active.value = asked.data.alerts;
  }, [asked.data]);
}

/** Links within the page change the address without loading anything. */
function onLinks(main: { current: HTMLElement | null }): () => void {
  const clicked = (event: MouseEvent) => {
    if (event.defaultPrevented || event.button !== 0 || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
    const link = (event.target as Element).closest("a");
    if (!link || link.target || link.origin !== location.origin || !link.pathname.startsWith("/ui") || link.hasAttribute("download")) return;
    event.preventDefault();
    visit(link.href);
    main.current?.focus({ preventScroll: true });
    scrollTo(0, 0);
  };
  document.addEventListener("click", clicked);
  return () => document.removeEventListener("click", clicked);
}

function keysOf({ help, say }: { help(): void; say(text: string): void }): Shortcut[] {
  const focus = (id: string) => () => document.getElementById(id)?.focus();
  const change = (how: { by?: -1 | 1; zoom?: 2 | 0.5 }) => () => go(moved(address.peek(), address.peek().tz, nowMs(), how));
  return [
    { keys: "?", name: "this help", run: help },
    { keys: "/", name: "filter", run: () => { isFiltering.value = true; } },
    ...Object.entries(PAGES).filter(([, entry]) => entry.key).map(([name, entry]) => ({ keys: `g ${entry.key}`, name: entry.title, run: () => { go({ page: name, item: "", by: [], sel: "", extra: {} }); scrollTo(0, 0); } })),
    { keys: "t", name: "range", run: focus("range") },
    { keys: "[", name: "earlier", run: change({ by: -1 }) },
    { keys: "]", name: "later", run: change({ by: 1 }) },
    { keys: "+", name: "half as long", run: change({ zoom: 0.5 }) },
    { keys: "-", name: "twice as long", run: change({ zoom: 2 }) },
    { keys: "c", name: "compare", run: focus("compare") },
    { keys: "r", name: "live again", run: resume },
    { keys: "u", name: "copy a link to this moment", run: () => void copyLink(true, say) },
    { keys: "Escape", name: "undo the selection", run: () => { if (address.peek().sel) go({ sel: "" }); } },
  ];
}
