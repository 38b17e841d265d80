// Starts the page: asks its first questions, then draws the frame.
import { render } from "preact";
import { prefetch } from "./api/client.ts";
import { queryPath } from "./api/query.ts";
import { Frame } from "./parts/frame.tsx";
import { PAGES } from "./pages/index.ts";
import { queryOf } from "./pages/overview.tsx";
import { address, page } from "./state/address.ts";
import "./state/preferences.ts";
import { loadSession } from "./state/session.ts";

if (page.peek() !== "login") {
  // Six requests at a time go to one address: who looks is asked when the first figures have come.
  const first = page.peek() === "overview" ? prefetch(queryPath(queryOf(address.peek()))) : Promise.resolve();
  prefetch("/v1/alerts");
  void first.then(loadSession);
}
void PAGES[page.peek()]?.load();

// A file of another build is gone from a gateway that was upgraded: the new page is loaded, once.
addEventListener("vite:preloadError", (event) => {
  const RELOADED = "tidegauge.reloaded";
  if (sessionStorage.getItem(RELOADED) === "1") return;
  event.preventDefault();
  sessionStorage.setItem(RELOADED, "1");
  location.reload();
});

const root = document.getElementById("app")!;
root.replaceChildren();
render(<Frame />, root);
