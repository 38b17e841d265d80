"""SDKs as they are shipped, each through ten seconds without Kafka and a restart of the gateway.

What a client believes delivered is in Postgres once, and nothing else is there twice. All run beside each other,
each for a tenant of its own. `make sdks` runs it: it takes two minutes.
"""

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace

import orjson
import pytest
import pytest_asyncio

from deploy import api_keys
from deploy.local.folder import ROOT
from deploy.local.stack import Stack
from tests.e2e.clients.packages import chromium, modules
from tests.e2e.clients.reporting import pages
from tests.e2e.clients.reporting.programs import JAVASCRIPT, PROGRAMS, PYTHON, command, environment
from tests.support.chromium import Chromium, Page
from tests.support.http.site import Site
from tests.support.processes.system import System
from tests.support.wait import until

pytestmark = [
    pytest.mark.skipif("TIDEGAUGE_SDKS" not in os.environ, reason="make sdks"),
    pytest.mark.servers,
    pytest.mark.timeout(900),
    pytest.mark.asyncio(loop_scope="module"),
]

AWAY_S = 10.0

OTLP = [name for name in PROGRAMS if name.startswith((PYTHON, JAVASCRIPT))]

VITALS, SENTRY = "web-vitals", ("sentry-sdk", "@sentry/browser")

OFTEN = {
    "OTEL_BSP_SCHEDULE_DELAY": "500",
    "OTEL_BLRP_SCHEDULE_DELAY": "500",
    "OTEL_METRIC_EXPORT_INTERVAL": "1000",
}
"""How often OpenTelemetry's SDKs export, ms."""

EVENTS = """
SELECT coalesce(properties->>'n', properties->>'message') AS id, count(*) AS times
FROM event WHERE tenant_id = $1 GROUP BY 1
"""
"""How often each item is stored that is an event."""

SERIES = """
SELECT labels->>$3 AS id, sum(sum) AS total, sum(count) AS times
FROM rollup_10s JOIN series USING (series_id) WHERE tenant_id = $1 AND metric = $2 GROUP BY 1
"""
"""How often each item is counted that is a series."""


@dataclass
class Reported:
    """What a client of a tenant has reported, and what it was told."""

    system: System
    sent: dict[str, list[str]] = field(default_factory=dict)
    believed: dict[str, list[str]] = field(default_factory=dict)
    refused: int = 0
    """Posts of it that the gateway has refused, where they are seen."""

    async def events(self) -> dict[str, int]:
        """How often each event is stored."""
        return {row["id"]: row["times"] for row in await self.system.sql(EVENTS, self.system.tenant_id)}

    async def series(self, metric: str, label: str) -> dict[str, float]:
        """How often each item is counted."""
        rows = await self.system.sql(SERIES, self.system.tenant_id, metric, label)
        return {row["id"]: row["times"] for row in rows}

    async def something(self) -> int:
        """How many events there are by now."""
        return len(await self.events())


class Run:
    """All clients at once."""

    def __init__(self, system: System, site: Site, browser: Chromium) -> None:
        self._system, self._site, self._browser = system, site, browser
        self.reported: dict[str, Reported] = {}
        self._processes: dict[str, asyncio.subprocess.Process] = {}
        self._pages: dict[str, Page] = {}
        self._visiting: asyncio.Task[None] | None = None
        self._left = asyncio.Event()

    async def start(self) -> None:
        """Each with a key of its own."""
        for client in (*PROGRAMS, *pages.CLIENTS):
            key = api_keys.new_key("admin")
            self.reported[client] = await self._owner(key)
            if client in PROGRAMS:
                # What Sentry's SDK was answered is seen on its way alone.
                url = self._site.url if client in SENTRY else self._system.url
                self._processes[client] = await asyncio.create_subprocess_exec(
                    *command(client), cwd=ROOT, stdout=asyncio.subprocess.PIPE,
                    env={**environment(client, url, key), **OFTEN},
                )  # fmt: skip
            else:
                self._pages[client] = page = await self._browser.page()
                path, prefix = f"/{len(self._pages)}", f"p{len(self._pages)}-"
                await page.open(self._site.add(path, pages.scripts(client, key, prefix)))

        key = api_keys.new_key("admin")
        self.reported[VITALS] = await self._owner(key)
        self._visiting = asyncio.create_task(self._visit(pages.vitals(self._site.url, key)))

    async def _owner(self, key: str) -> Reported:
        await api_keys.create(self._system.stack.postgres, key, key, "admin")
        (row,) = await self._system.sql("SELECT tenant_id FROM tenant WHERE name = $1", key)
        return Reported(replace(self._system, key=key, tenant_id=row["tenant_id"]))

    async def _visit(self, scripts: str) -> None:
        """Look at one page after the other, each of an address of its own, and close it."""
        sent: list[str] = []
        while not self._left.is_set():
            sent.append(self._site.add(f"/visit/{len(sent)}", scripts))
            page = await self._browser.page()
            await page.open(sent[-1])
            await page.run(pages.PAINTED)
            await page.close()
        taken = [
            each for each in self._site.arrived if each.path == "/v1/vitals" and 200 <= each.status < 300
        ]
        believed = [url for url in sent if any(b'"%b"' % url.encode() in each.body for each in taken)]
        self.reported[VITALS].sent, self.reported[VITALS].believed = {"vitals": sent}, {"vitals": believed}

    async def more(self) -> None:
        """Wait until more events of each are stored than now."""
        clients = (*PROGRAMS, *pages.CLIENTS)
        before = {client: await self.reported[client].something() for client in clients}

        async def all_have() -> bool:
            now = {client: await self.reported[client].something() for client in clients}
            return all(now[client] > before[client] for client in now)

        await until(all_have, f"more is stored than {before}", 60)

    async def away(self, stack: Stack) -> None:
        """Ten seconds without Kafka, in which no application ends."""
        stack.servers["kafka"].freeze()
        try:
            ends = [asyncio.create_task(each.wait()) for each in self._processes.values()]
            done, _ = await asyncio.wait(ends, timeout=AWAY_S)
            assert not done
        finally:
            stack.servers["kafka"].thaw()

    async def heard(self) -> None:
        """Wait until the gateway has said what it refused; a process that is killed takes its last counts along."""

        async def all_have() -> bool:
            return all([await refused(self.reported[client].system) > 0 for client in SENTRY])

        await until(all_have, "what was refused is counted", 60)

    async def end(self) -> None:
        """The applications end, and the pages are left."""
        for process in self._processes.values():
            process.terminate()
        self._left.set()
        if self._visiting is not None:
            await self._visiting
        for number, (client, page) in enumerate(self._pages.items(), 1):
            sent = await page.run("globalThis.sent")
            await page.ask("Page.navigate", url="about:blank")
            self.reported[client].sent = {"events": [f"p{number}-{each}" for each in range(sent)]}
        for client, process in self._processes.items():
            output, _ = await asyncio.wait_for(process.communicate(), 90)
            said = orjson.loads(output)
            self.reported[client].sent, self.reported[client].believed = said["sent"], said["believed"]
            if client in SENTRY:
                self.reported[client].believed = {"events": pages.believed(self._site.arrived, "k")}
                self.reported[client].refused = pages.refused(self._site.arrived, "k")
        for number, client in enumerate(self._pages, 1):
            self.reported[client].believed = {"events": pages.believed(self._site.arrived, f"p{number}-")}
            self.reported[client].refused = pages.refused(self._site.arrived, f"p{number}-")

    def kill(self) -> None:
        """End what still runs."""
        if self._visiting is not None:
            self._visiting.cancel()
        for process in self._processes.values():
            if process.returncode is None:
                process.kill()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def run(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Run]:
    """The clients have been through both faults, and have ended."""
    await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-m", "clients.browser.build"],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    files = {
        "/faro.js": modules() / "@grafana/faro-web-sdk/dist/bundle/faro-web-sdk.iife.js",
        "/tidegauge.js": ROOT / "clients/browser/dist/tidegauge.js",
        "/vendor/web-vitals.js": modules() / "web-vitals/dist/web-vitals.js",
    }
    folder = tmp_path_factory.mktemp("faults")
    async with AsyncExitStack() as open_:
        system = await open_.enter_async_context(
            System(stack, folder, "http://127.0.0.1:1/", {"TIDEGAUGE_WRITE_VERSION": "5"})
        )
        site = await open_.enter_async_context(Site(system.url, files, {"/node_modules": modules()}))
        browser = await open_.enter_async_context(Chromium(chromium(), folder / "profile"))
        made = Run(system, site, browser)
        open_.callback(made.kill)
        await made.start()
        await made.more()
        await made.away(stack)
        await made.more()
        await made.heard()
        await system.kill("gateway")
        await made.more()
        await made.end()
        yield made


async def settled(reported: Reported, signal: str, metric: str = "", label: str = "") -> None:
    """Wait until what is believed delivered is counted; nothing is counted twice, or was not sent."""
    believed, sent = set(reported.believed[signal]), set(reported.sent[signal])
    found: dict[str, float] = {}

    async def all_there() -> bool:
        found.clear()
        found.update(await reported.series(metric, label) if metric else await reported.events())
        return believed <= found.keys()

    await until(all_there, f"all {len(believed)} {signal} that are believed delivered are counted", 60)
    ours = {id_: times for id_, times in found.items() if id_ in sent}
    assert believed
    assert {} == {id_: times for id_, times in ours.items() if times != 1}


@pytest.mark.parametrize("client", OTLP)
async def test_opentelemetry_counts_once(run: Run, client: str) -> None:
    """Lines, spans and increments that its exporter calls delivered; of running totals all, for each is in the next."""
    reported = run.reported[client]
    await settled(reported, "logs")
    await settled(reported, "traces", "api.response_seconds", "endpoint")
    await settled(reported, "metrics", "orders", "n")

    async def all_visits() -> bool:
        rows = await reported.system.sql(SERIES, reported.system.tenant_id, "visits", "service.name")
        return [row["total"] for row in rows] == [len(reported.sent["totals"])]

    await until(all_visits, f"{len(reported.sent['totals'])} visits are counted", 60)


@pytest.mark.parametrize("client", ["posthog", "Faro", "posthog-js"])
async def test_an_event_that_is_believed_delivered_is_stored_once(run: Run, client: str) -> None:
    """As its callback says, or the answers that its page has got."""
    await settled(run.reported[client], "events")


async def test_our_own_client_loses_nothing(run: Run) -> None:
    """Whatever was given to it is stored once."""
    reported = run.reported["our browser client"]
    reported.believed = reported.sent

    await settled(reported, "events")


async def test_a_vital_whose_beacon_was_taken_counts_once(run: Run) -> None:
    """By the snippet of docs/clients/web-vitals.md, a page after the other; a beacon is sent once."""
    await settled(run.reported[VITALS], "vitals", "web_vital.ttfb", "page")


@pytest.mark.parametrize("client", SENTRY)
async def test_a_message_of_sentry_is_stored_once_or_its_refusal_is_told(run: Run, client: str) -> None:
    """What was answered 200 is stored; of what was refused, which an SDK never sends again, its tenant is told."""
    reported = run.reported[client]
    await settled(reported, "events")

    async def all_told() -> bool:
        return await refused(reported.system) >= reported.refused

    assert reported.refused
    await until(all_told, f"{reported.refused} refusals are counted", 60)


async def refused(system: System) -> float:
    """What the gateway says that it has refused, in requests."""
    rows = await system.sql(SERIES, system.tenant_id, "intake.refused", "path")
    return float(sum(row["total"] for row in rows))
