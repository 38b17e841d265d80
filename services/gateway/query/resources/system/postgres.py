"""Counts the partitions that are stopped, for `/metrics` and `/health/ready`.

Spans are seconds. A scrape never waits for Postgres, so the count may be a few seconds old. While Postgres is away, the
last count is shown.
"""

import asyncio
from collections import Counter
from collections.abc import Iterable

from shared.errors import Unavailable
from shared.postgres.connections import Pool, connection
from shared.runtime.retry import spread

LOOK_EVERY_S = 5.0
"""Longest time between two looks."""

_STOPPED = "SELECT topic FROM breaker WHERE stopped_at IS NOT NULL AND topic = ANY($1)"


class StoppedPartitions:
    """How many there are of each topic."""

    def __init__(self, pool: Pool, topics: Iterable[str]) -> None:
        self._pool = pool
        self.counts = dict.fromkeys(topics, 0)
        """By topic."""

    async def watch(self) -> None:
        """Look for ever."""
        while True:
            try:
                async with connection(self._pool) as conn:
                    found = Counter(row["topic"] for row in await conn.fetch(_STOPPED, list(self.counts)))
                self.counts.update((topic, found[topic]) for topic in self.counts)
            except Unavailable:
                pass
            await asyncio.sleep(spread(LOOK_EVERY_S))
