"""Real traffic: this machine's own figures and the times of real requests, through the public API only.

Times are milliseconds. It measures from its first second and posts as soon as the gateway answers. The law: what was
measured is posted, repeated until it is acknowledged under one key, or its loss is logged.
"""

import asyncio
import os
import secrets
from collections import deque
from logging import getLogger
from typing import Any, TypeAlias

import httpx2
import psutil  # type: ignore[import-untyped]  # ships no types
import structlog

from shared.runtime import logging
from shared.runtime.clock import monotonic_s, now_ms
from shared.runtime.lifecycle import background, stop_event

EVERY_S = 1.0
"""Time between two measurements."""

MOST_POINTS = 100_000
"""Points kept while the gateway is away: about half an hour."""

BATCH = 500
"""Points of one request."""

REQUEST_S = 15.0
"""Bound on one request; longer than the gateway waits for its broker."""

RETRY_S = 0.25
"""Pause before a repeat when the gateway is away or does not say how long to wait."""

PROBES = ("/health/ready", "/v1/windows?metric=host.cpu.utilization")
"""Requests whose response times are measured."""

Point: TypeAlias = dict[str, Any]

_log = structlog.get_logger(__name__)


def point(name: str, value: float, unit: str, *, kind: str = "gauge", **labels: str) -> Point:
    """A point of now."""
    return {"name": name, "value": value, "ts": now_ms(), "labels": labels, "kind": kind, "unit": unit}


class Waiting:
    """Points that are not posted yet, oldest first; bounded."""

    def __init__(self) -> None:
        self._points: deque[Point] = deque()
        self._any = asyncio.Event()

    def add(self, points: list[Point]) -> None:
        """Add points; the oldest make room when there are too many, which is logged."""
        self._points.extend(points)
        lost = len(self._points) - MOST_POINTS
        for _ in range(lost):
            self._points.popleft()
        if lost > 0:
            _log.error("points lost, the gateway was away too long", points=lost)
        self._any.set()

    async def batch(self) -> list[Point]:
        """The oldest points, at least one."""
        await self._any.wait()
        taken = [self._points.popleft() for _ in range(min(BATCH, len(self._points)))]
        if not self._points:
            self._any.clear()
        return taken


class Host:
    """This machine's figures; rates are increments since the last look."""

    def __init__(self) -> None:
        self._disk = psutil.disk_io_counters()
        self._net = psutil.net_io_counters()
        psutil.cpu_percent(percpu=True)

    def points(self) -> list[Point]:
        """What there is to say of the second that has passed."""
        cores = psutil.cpu_percent(percpu=True)
        return [
            *(point("host.cpu.utilization", used / 100, "1", core=str(n)) for n, used in enumerate(cores)),
            *self.levels(),
            *self._io(),
        ]

    def levels(self) -> list[Point]:
        """What can be said without a second to look back on."""
        memory = psutil.virtual_memory()
        return [
            point("host.memory.used", memory.used, "By"),
            point("host.memory.utilization", memory.percent / 100, "1"),
        ]

    def _io(self) -> list[Point]:
        disk, net = psutil.disk_io_counters(), psutil.net_io_counters()
        points = []
        if disk and self._disk:  # a container may have none
            read, written = disk.read_bytes - self._disk.read_bytes, disk.write_bytes - self._disk.write_bytes
            points += [
                point("host.disk.io", read, "By", kind="delta", direction="read"),
                point("host.disk.io", written, "By", kind="delta", direction="write"),
            ]
        if net and self._net:
            received, sent = net.bytes_recv - self._net.bytes_recv, net.bytes_sent - self._net.bytes_sent
            points += [
                point("host.network.io", received, "By", kind="delta", direction="receive"),
                point("host.network.io", sent, "By", kind="delta", direction="transmit"),
            ]
        self._disk, self._net = disk, net
        return points


async def measure(waiting: Waiting) -> None:
    """Look at the host at once, so that the first window is early, and then every second."""
    host = Host()
    waiting.add(host.levels())
    while True:
        await asyncio.sleep(EVERY_S)
        waiting.add(host.points())


async def probe(client: httpx2.AsyncClient, read_key: str, waiting: Waiting) -> None:
    """Make a real request of each kind every second and keep how long it took."""
    headers = {"Authorization": f"Bearer {read_key}"}
    while True:
        for address in PROBES:
            started_s = monotonic_s()
            try:
                answer = await client.get(address, headers=headers)
            except httpx2.TransportError as problem:
                _log.info("probe without an answer", address=address, problem=repr(problem))
                continue
            took_ms = (monotonic_s() - started_s) * 1000
            route, status = address.partition("?")[0], str(answer.status_code)
            labels = {"route": route, "status": status}
            waiting.add([point("http.client.duration", took_ms, "ms", kind="delta", **labels)])
        await asyncio.sleep(EVERY_S)


async def post(client: httpx2.AsyncClient, write_key: str, waiting: Waiting) -> None:
    """Post what waits, batch by batch; a batch is repeated under its key until it is answered for good."""
    while True:
        points = await waiting.batch()
        headers = {"Authorization": f"Bearer {write_key}", "Idempotency-Key": secrets.token_hex(16)}
        while (pause_s := await _posted(client, headers, points)) is not None:  # noqa: ASYNC110  a pause between tries
            await asyncio.sleep(pause_s)


async def _posted(client: httpx2.AsyncClient, headers: dict[str, str], points: list[Point]) -> float | None:
    """Post once; None when that is settled, else the pause before the repeat."""
    try:
        answer = await client.post("/v1/telemetry", headers=headers, json={"points": points})
    except httpx2.TransportError as problem:
        _log.info("gateway away", problem=repr(problem), points=len(points))
        return RETRY_S
    if answer.status_code in {429, 503}:
        _log.info("gateway asks to wait", status=answer.status_code, answer=answer.text)
        return float(answer.headers.get("Retry-After", RETRY_S))
    if answer.status_code != 202:
        _log.error("batch refused", status=answer.status_code, answer=answer.text, points=len(points))
    elif rejected := answer.json().get("rejected"):
        _log.error("points rejected", rejected=rejected)
    return None


async def run(url: str, write_key: str, read_key: str) -> None:
    """Measure, probe and post until SIGTERM."""
    stopping, waiting = stop_event(), Waiting()
    async with httpx2.AsyncClient(base_url=url, timeout=REQUEST_S) as client:
        jobs = [
            background(measure(waiting), "measure"),
            background(probe(client, read_key, waiting), "probe"),
            background(post(client, write_key, waiting), "post"),
        ]
        await stopping.wait()
        for job in jobs:
            job.cancel()
        await asyncio.gather(*jobs, return_exceptions=True)


if __name__ == "__main__":
    logging.configure("demo")
    # The client's own line for every request would be the whole log.
    getLogger("httpx2").setLevel("WARNING")
    asyncio.run(
        run(os.environ["TIDEGAUGE_URL"], os.environ["TIDEGAUGE_WRITE_KEY"], os.environ["TIDEGAUGE_READ_KEY"])
    )
