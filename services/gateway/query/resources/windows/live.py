"""Live windows from the feed, and from Redis while the feed cannot answer; and as rows of an answer.

Times are milliseconds UTC.
"""

from collections.abc import Sequence

from services.gateway.query.questions.ports import LivePart, LiveWindows
from services.gateway.query.resources.windows.columns import window_rows
from services.gateway.query.resources.windows.windows import Query, WindowRow
from shared.errors import Unavailable


class EitherLive:
    """Live windows of the log, else as the aggregator last wrote them to Redis."""

    def __init__(self, feed: LiveWindows, otherwise: LiveWindows) -> None:
        self._feed = feed
        self._otherwise = otherwise

    async def live(self, tenant_id: int, metric: str, from_ms: int, to_ms: int) -> Sequence[LivePart]:
        """Windows of 10 s that start in [from, to). Raises as the other does."""
        try:
            return await self._feed.live(tenant_id, metric, from_ms, to_ms)
        except Unavailable:
            return await self._otherwise.live(tenant_id, metric, from_ms, to_ms)


class LiveRows:
    """Live windows as `GET /v1/windows` shows them."""

    def __init__(self, live: LiveWindows) -> None:
        self._live = live

    async def live(self, query: Query, now_ms: int) -> Sequence[WindowRow]:
        """All live rows of the query, those that have just closed among them. Raises as live windows do."""
        starts = query.live_starts(now_ms)
        if not starts:
            return []
        found = await self._live.live(query.tenant_id, query.metric, starts.start, starts.stop)
        return [
            row
            for one in found
            for row in window_rows(query, one.part.owners, one.part.rollups, final=one.final)
        ]
