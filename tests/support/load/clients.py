"""Clients that send batches under keys until each is answered 202, and know what must be in the tables then.

Times are milliseconds UTC. A point's value is a power of four that no other point of its series and 10 s has, so the
sum of a window, read in base 4, shows how often each of its points was counted. A client records the expectation before
it sends, and gives a batch up only when the run ends.
"""

import asyncio
import random
from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

import httpx2

from shared.model.window import BASE_MS, start_of
from shared.runtime.clock import now_ms

POINTS = 12
"""Points of a batch."""

SERIES = 300
MOST = 24
"""Points of a series in 10 s: sums of powers of four are exact below 2^53."""

LATE_MS = (5 * 60_000, 40 * 60_000)
"""How far back a third of the points lie: their windows have closed, in all tiers or in some."""

SEND_S = 10.0
AGAIN = 0.1
"""Share of batches that are sent once more although they were answered."""


@dataclass
class Clients:
    """Clients of some gateways."""

    urls: tuple[str, ...]
    key: str
    chance: random.Random
    expected: dict[tuple[int, int], int] = field(default_factory=lambda: defaultdict(int))
    """(Start of 10 s, number of the series) -> sum of the values of its points."""
    points: int = 0
    """All points that were answered or will be."""
    attempts: int = 0
    _next: dict[tuple[int, int], int] = field(default_factory=lambda: defaultdict(int))
    _batches: int = 0

    async def send(self, clients: int, stop: asyncio.Event) -> None:
        """Send until told to stop, and then until all that was begun is answered."""
        async with httpx2.AsyncClient(timeout=SEND_S) as client, asyncio.TaskGroup() as group:
            for _ in range(clients):
                group.create_task(self._send(client, stop))

    async def _send(self, client: httpx2.AsyncClient, stop: asyncio.Event) -> None:
        while not stop.is_set():
            self._batches += 1
            headers = {"x-api-key": self.key, "idempotency-key": f"chaos-{self._batches}"}
            body = self._body()
            for _ in range(1 + (self.chance.random() < AGAIN)):
                while not await self._answered(client, body, headers):  # noqa: ASYNC110 # a client waits and asks again
                    await asyncio.sleep(self.chance.uniform(0.05, 0.5))
            await asyncio.sleep(self.chance.uniform(0.05, 0.3))

    async def _answered(
        self, client: httpx2.AsyncClient, body: dict[str, Any], headers: dict[str, str]
    ) -> bool:
        self.attempts += 1
        try:
            answer = await client.post(
                self.chance.choice(self.urls) + "/v1/telemetry", json=body, headers=headers
            )
        except httpx2.TransportError:
            return False
        if answer.status_code == 202:
            assert answer.json()["accepted"] == POINTS, answer.text
            return True
        assert answer.status_code in {429, 503}, answer.text
        return False

    def _body(self) -> dict[str, Any]:
        found = [self._point() for _ in range(POINTS)]
        self.points += POINTS
        return {"points": found}

    def _point(self) -> dict[str, Any]:
        while True:
            late_ms = self.chance.randrange(*LATE_MS) if self.chance.random() < 1 / 3 else 0
            ts_ms, series = now_ms() - late_ms, self.chance.randrange(SERIES)
            place = (start_of(ts_ms, BASE_MS), series)
            if self._next[place] < MOST:
                break
        value = 4 ** self._next[place]
        self._next[place] += 1
        self.expected[place] += value
        return {"name": "chaos.sent", "ts": ts_ms, "value": value, "labels": {"series": str(series)}}
