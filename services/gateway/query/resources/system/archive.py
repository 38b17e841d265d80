"""Whether the archive runs: days of enabled tables that should be in it by now. Looked at every few minutes.

Spans are seconds. While Postgres is away the last figure stands.
"""

import asyncio

import structlog
from opentelemetry.metrics import Meter, Observation

from shared.errors import Unavailable
from shared.files import catalogue
from shared.postgres.connections import Pool, connection

EVERY_S = 300.0
"""Time between two looks."""

_log = structlog.get_logger(__name__)


class ArchiveWatch:
    """Knows how far the archive is behind."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self.overdue: dict[str, int] = {}
        """Days by enabled table."""

    async def run(self) -> None:
        """Look for ever."""
        while True:
            await self.check()
            await asyncio.sleep(EVERY_S)

    async def check(self) -> None:
        """Look once, and log what waits."""
        try:
            async with connection(self._pool) as conn:
                self.overdue = await catalogue.overdue(conn)
        except Unavailable as error:
            _log.warning("the archive cannot be looked at", error=str(error))
            return
        for line in self.warnings():
            _log.warning("the archive is behind", reason=line)

    def warnings(self) -> list[str]:
        """A line for each table of which days wait."""
        return catalogue.warnings_of(self.overdue)

    def show(self, meter: Meter) -> None:
        """Give it its instrument."""
        meter.create_observable_gauge(
            "gateway_archive_overdue_days",
            [lambda _: self._observed()],
            description="Days of tables with an archive that should be in it by now: `tidegauge archive status`",
        )

    def _observed(self) -> list[Observation]:
        """By table; 0 without one where none has an archive, so that the instrument is always there."""
        found = [Observation(days, {"table": table}) for table, days in self.overdue.items()]
        return found or [Observation(0)]
