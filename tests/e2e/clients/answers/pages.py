"""Clients of browsers, each in a page that reports one item, is looked at for hours of its own time, and is closed.

The hours pass at once: Chromium lets the timers of a page run ahead.
"""

import re
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from deploy.local.folder import ROOT
from tests.e2e.clients.answers.observed import MARKER, Observation
from tests.e2e.clients.answers.scripted import Scripted
from tests.e2e.clients.packages import HERE, modules
from tests.support.chromium import Chromium
from tests.support.wait import until

HOURS_S = 2 * 3600
"""Longer than any client but ours tries."""

SILENT_S = 2
"""After so long without a word a page that was left is silent."""

IMPORTS = re.search(r'<script type="importmap">.*?</script>', (HERE / "shop.html").read_text(), re.DOTALL)

VITALS = re.search(r"```html\n(.*?)```", (ROOT / "docs/clients/web-vitals.md").read_text(), re.DOTALL)

PAGES = {
    "Faro": f"""<script src="/faro.js"></script><script>
        faro = GrafanaFaroWebSdk.initializeFaro({{url: ADDRESS + "/collect/KEY", app: {{name: "shop"}}}});
        faro.api.pushEvent("{MARKER}");
    </script>""",
    "@sentry/browser": f"""{IMPORTS[0] if IMPORTS else ""}<script type="module">
        import * as Sentry from "@sentry/browser";
        Sentry.init({{dsn: ADDRESS.replace("//", "//KEY@") + "/1"}});
        Sentry.captureMessage("{MARKER}");
    </script>""",
    "posthog-js": f"""<script src="/node_modules/posthog-js/dist/array.full.no-external.js"></script><script>
        posthog.init("KEY", {{api_host: ADDRESS, opt_out_useragent_filter: true}});
        posthog.capture("{MARKER}");
    </script>""",
    "web-vitals": (VITALS[1] if VITALS else "").replace("/vendor/", "/node_modules/web-vitals/dist/"),
    "our browser client": f"""<script src="/tidegauge.js"></script><script>
        client = tidegauge.init({{url: ADDRESS, key: "KEY"}});
        client.event("{MARKER}");
        client.flush();
    </script>""",
}
"""Client -> its scripts; `ADDRESS` is where it posts to."""

MARKERS = {"web-vitals": b'"TTFB"'}
"""What tells the batch of a client, where it is not `MARKER`."""


def files() -> Mapping[str, Path]:
    """What these pages load."""
    return {
        "/faro.js": modules() / "@grafana/faro-web-sdk/dist/bundle/faro-web-sdk.iife.js",
        "/tidegauge.js": ROOT / "clients/browser/dist/tidegauge.js",
    }


async def observed(client: str, answer: str, server: Scripted, browser: Chromium) -> Observation:
    """What the client does in a page of its own."""
    marker = MARKERS.get(client, MARKER.encode())
    url, path = server.urls[answer], f"/{client.strip('@').replace(' ', '-')}/{answer.replace(' ', '-')}"
    scripts = PAGES[client].replace("ADDRESS", f"'{url}'").replace("https://telemetry.example.com", url)
    page = await browser.page(apart=True)
    await page.open(server.add(path, scripts))
    await page.skip(HOURS_S)
    # What is sent when the page is left comes somewhat later, if at all.
    await page.ask("Page.navigate", url="about:blank")

    async def heard() -> bool:
        posted = bool(server.of(answer, marker))
        return posted and (server.is_success(answer) or bool(page.said or server.reports(answer)))

    with suppress(AssertionError):
        await until(heard, f"{client} has posted, and said what is lost", SILENT_S)
    tells = {"log"} if page.said else set()
    if server.reports(answer):
        tells.add("report")
    await page.close()
    return Observation(len(server.of(answer, marker)), frozenset(tells))
