"""Pages that report numbered items by a client as it is shipped, one each `PAUSE_MS`, until they are left.

What a client believes delivered is what its page was answered 2xx: none of them says it by itself.
"""

import re
from collections.abc import Iterable

import orjson

from deploy.local.folder import ROOT
from tests.e2e.clients.packages import HERE
from tests.support.http.site import Arrival

PAUSE_MS = 250
"""Between two items."""

IMPORTS = re.findall(r'<script type="importmap">.*?</script>', (HERE / "shop.html").read_text(), re.DOTALL)[0]

SNIPPET = re.findall(r"```html\n(.*?)```", (ROOT / "docs/clients/web-vitals.md").read_text(), re.DOTALL)[0]

PAINTED = """
new Promise((done) => new PerformanceObserver(() => done()).observe({type: "largest-contentful-paint", buffered: true}))
"""
"""Waits until the browser has said what its largest paint was."""

CLIENTS = {
    "Faro": (
        """<script src="/faro.js"></script><script>
        faro = GrafanaFaroWebSdk.initializeFaro({url: location.origin + "/collect/KEY", app: {name: "shop"}});
        const report = (id) => faro.api.pushEvent("order", {n: id});
        """,
        "</script>",
    ),
    "@sentry/browser": (
        IMPORTS
        + """<script type="module">
        import * as Sentry from "@sentry/browser";
        Sentry.init({dsn: `http://KEY@${location.host}/1`});
        const report = (id) => Sentry.captureMessage(id, "warning");
        """,
        "</script>",
    ),
    "posthog-js": (
        """<script src="/node_modules/posthog-js/dist/array.full.no-external.js"></script><script>
        posthog.init("KEY", {api_host: location.origin, opt_out_useragent_filter: true});
        const report = (id) => posthog.capture("order placed", {n: id});
        """,
        "</script>",
    ),
    "our browser client": (
        """<script src="/tidegauge.js"></script><script>
        client = tidegauge.init({url: location.origin, key: "KEY"});
        const report = (id) => client.event("order", {n: id});
        """,
        "</script>",
    ),
}
"""Client -> what begins and ends the script of its page."""


def scripts(client: str, key: str, prefix: str) -> str:
    """The scripts of a page; its items are the prefix and a number."""
    begin, end = CLIENTS[client]
    steady = f"globalThis.sent = 0; setInterval(() => report(`{prefix}${{sent++}}`), {PAUSE_MS});"
    return begin.replace("KEY", key) + steady + end


def vitals(url: str, key: str) -> str:
    """The snippet of docs/clients/web-vitals.md, with address and key put in."""
    return SNIPPET.replace("https://telemetry.example.com", url).replace("YOUR_KEY", key)


def believed(arrived: Iterable[Arrival], prefix: str) -> list[str]:
    """The items with this prefix in bodies that were answered 2xx."""
    taken = [each for each in arrived if 200 <= each.status < 300]
    return sorted({item for each in taken for item in _items(each, prefix)})


def refused(arrived: Iterable[Arrival], prefix: str) -> int:
    """How many bodies with such items the gateway has refused; 502 is the site's, where it does not answer."""
    return sum(each.status >= 400 and each.status != 502 and bool(_items(each, prefix)) for each in arrived)


def _items(arrival: Arrival, prefix: str) -> set[str]:
    if arrival.path.endswith("/envelope/"):  # an event names those before it as breadcrumbs
        lines = [orjson.loads(line) for line in arrival.body.splitlines() if line]
        said = {line["message"] for line in lines if isinstance(line.get("message"), str)}
        return {item for item in said if item.startswith(prefix)}
    return {item.decode() for item in re.findall(f'"({re.escape(prefix)}\\d+)"'.encode(), arrival.body)}
