"""Demo traffic: this machine's own figures, response times and processes, and a made-up shop, by the public client.

What is here is measured; what is invented stands in `shop.py`. Times are seconds. The client sends a measurement as
soon as the gateway answers, or logs its loss.
"""

import asyncio
import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from itertools import islice
from uuid import uuid4

import httpx2
import psutil  # type: ignore[import-untyped]  # ships no types
import structlog

from deploy.local.demo.shop import Shop
from shared.runtime import logging
from shared.runtime.clock import monotonic_s
from shared.runtime.lifecycle import background, stop_event
from tidegauge_client import Telemetry

EVERY_S = 1.0
"""Time between two measurements."""

REPEAT_S = 900.0
"""How long a batch is repeated: as long as its repeats are recognised."""

RETRY_S = 0.5
"""Longest pause before a repeat, so that the first window is early."""

CLOSE_S = 0.5
"""What the end may take for sending what waits."""

REQUEST_S = 15.0
"""Bound on one probe."""

PROBES = ("/v1/alerts", "/v1/windows?metric=host.cpu.utilization")
"""Reads whose response times are measured."""

MOST_PROCESSES = 3
"""Most events a check, for the processes that began and for those that ended."""

_log = structlog.get_logger(__name__)


class Host:
    """This machine's figures; rates are increments since the last measurement."""

    def __init__(self, telemetry: Telemetry) -> None:
        self._telemetry = telemetry
        self._disk = psutil.disk_io_counters()
        self._net = psutil.net_io_counters()
        psutil.cpu_percent(percpu=True)

    def measure(self) -> None:
        """Send the figures of the second that has passed."""
        for core, used in enumerate(psutil.cpu_percent(percpu=True)):
            self._telemetry.point("host.cpu.utilization", used / 100, unit="1", labels={"core": str(core)})
        self.measure_levels()
        self._measure_io()

    def measure_levels(self) -> None:
        """Send the figures that need no earlier measurement."""
        memory = psutil.virtual_memory()
        self._telemetry.point("host.memory.used", memory.used, unit="By")
        self._telemetry.point("host.memory.utilization", memory.percent / 100, unit="1")

    def _measure_io(self) -> None:
        disk, net = psutil.disk_io_counters(), psutil.net_io_counters()
        if disk and self._disk:  # a container may have none
            self._moved("host.disk.io", "read", disk.read_bytes - self._disk.read_bytes)
            self._moved("host.disk.io", "write", disk.write_bytes - self._disk.write_bytes)
        if net and self._net:
            self._moved("host.network.io", "receive", net.bytes_recv - self._net.bytes_recv)
            self._moved("host.network.io", "transmit", net.bytes_sent - self._net.bytes_sent)
        self._disk, self._net = disk, net

    def _moved(self, name: str, direction: str, moved_bytes: int) -> None:
        self._telemetry.point(name, moved_bytes, kind="delta", unit="By", labels={"direction": direction})


class Processes:
    """The processes of this machine: those that began or ended between two checks."""

    def __init__(self, telemetry: Telemetry, run_id: str) -> None:
        self._telemetry = telemetry
        self._run_id = run_id
        self._known = dict(_named(set(psutil.pids())))

    def check(self) -> None:
        """Send an event for a few that began and a few that ended."""
        now = set(psutil.pids())
        ended = {pid: self._known.pop(pid) for pid in self._known.keys() - now}
        began = dict(_named(now - self._known.keys()))
        self._known |= began
        self._send_events("process.started", began)
        self._send_events("process.ended", ended)

    def _send_events(self, what: str, processes: Mapping[int, str]) -> None:
        for pid, name in islice(processes.items(), MOST_PROCESSES):
            self._telemetry.event(what, name, session_id=self._run_id, properties={"pid": pid})


def _named(pids: set[int]) -> Iterator[tuple[int, str]]:
    for pid in pids:
        with suppress(psutil.Error):  # it may have ended already
            yield pid, psutil.Process(pid).name()


async def measure(telemetry: Telemetry, run_id: str) -> None:
    """Look at the host at once, so that the first window is early, and then every second."""
    host, processes = Host(telemetry), Processes(telemetry, run_id)
    host.measure_levels()
    while True:
        await asyncio.sleep(EVERY_S)
        host.measure()
        processes.check()


async def probe(client: httpx2.AsyncClient, read_key: str, telemetry: Telemetry) -> None:
    """Make a real request of each kind every second and send how long it took."""
    headers = {"Authorization": f"Bearer {read_key}"}
    while True:
        for address in PROBES:
            began_s = monotonic_s()
            try:
                answer = await client.get(address, headers=headers)
            except httpx2.TransportError as problem:
                _log.debug("probe without an answer", address=address, problem=repr(problem))
                continue
            _responded(telemetry, address.partition("?")[0], str(answer.status_code), monotonic_s() - began_s)
        await asyncio.sleep(EVERY_S)


def _responded(telemetry: Telemetry, route: str, status: str, took_s: float) -> None:
    """The time of one response, under the name for any HTTP client and under the one for an API."""
    labels = {"route": route, "status": status}
    telemetry.point("http.client.duration", took_s * 1000, kind="delta", unit="ms", labels=labels)
    labels = {"endpoint": route, "method": "GET", "status": status}
    telemetry.point("api.response_seconds", took_s, kind="delta", unit="s", labels=labels)


async def run(telemetry: Telemetry, query_url: str, read_key: str) -> None:
    """Measure, probe and let visitors in until SIGTERM."""
    stopping = stop_event()
    async with httpx2.AsyncClient(base_url=query_url, timeout=REQUEST_S) as client:
        jobs = [
            background(measure(telemetry, str(uuid4())), "measure"),
            background(probe(client, read_key, telemetry), "probe"),
            background(Shop(telemetry).open(), "shop"),
        ]
        await stopping.wait()
        for job in jobs:
            job.cancel()
        await asyncio.gather(*jobs, return_exceptions=True)


def main() -> None:
    """Run with the addresses and the keys that the environment gives: post to one, look at the other."""
    logging.configure("demo")
    with Telemetry(
        os.environ["TIDEGAUGE_URL"],
        os.environ["TIDEGAUGE_WRITE_KEY"],
        max_age_s=REPEAT_S,
        retry_longest_s=RETRY_S,
        exit_flush_s=CLOSE_S,
    ) as telemetry:
        asyncio.run(run(telemetry, os.environ["TIDEGAUGE_QUERY_URL"], os.environ["TIDEGAUGE_READ_KEY"]))


if __name__ == "__main__":
    main()
