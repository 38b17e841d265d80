"""The order of steps of queries that need several ports: windows, and the health of the system.

Times are milliseconds UTC, arguments.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from services.gateway.query.ports import Checkpoints, Closed, Live, Probe
from services.gateway.query.resources.system import health
from services.gateway.query.resources.windows.windows import Position, Query, WindowRow, merge
from shared.errors import Unavailable


@dataclass(frozen=True, slots=True)
class Found:
    """The answer to a query."""

    rows: list[WindowRow]
    last: Position | None
    """Where the last row stands, if more rows match than the limit allows."""
    live_available: bool
    """False: only closed windows could be read."""
    kept_since_ms: int
    """Windows that start before this are not in the tables."""


class Reader:
    """Answers queries from the tables and the live windows."""

    def __init__(self, closed: Closed, live: Live) -> None:
        self._closed = closed
        self._live = live

    async def windows(self, query: Query, now_ms: int) -> Found:
        """The rows of a query; raise `Unavailable` when the tables cannot be read."""
        try:
            # Live first: a window that closes in between is then found in the table, never in neither.
            live, available = await self._live.live(query, now_ms), True
        except Unavailable:
            live, available = [], False
        rows, last = merge(await self._closed.closed(query), live, query.limit, query.after)
        return Found(rows, last, available, await self._closed.kept_since_ms(query.resolution_ms))


class SystemHealth:
    """Looks at the whole system: its dependencies, what its services have committed, whether gateways write."""

    def __init__(
        self, is_written: Callable[[], bool], checkpoints: Checkpoints, probes: Mapping[str, Probe]
    ) -> None:
        self._is_written = is_written
        self._checkpoints = checkpoints
        self._probes = probes

    async def check(self, topics: Mapping[str, str], now_ms: int) -> health.HealthReport:
        """How the system is; `topics` names the topic of each service."""
        answers = await asyncio.gather(*(probe() for probe in self._probes.values()))
        up = dict(zip(self._probes, answers, strict=True))
        rows: Sequence[health.Partition] = []
        try:
            rows = await self._checkpoints.partitions(list(topics.values())) if up["postgres"] else []
        except Unavailable:
            up["postgres"] = False
        services = health.services(rows, topics, now_ms)
        gateway = health.OK if self._is_written() else health.DEGRADED
        return health.system(up, gateway, services)
