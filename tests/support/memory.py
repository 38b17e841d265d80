"""A memory of ids without a server; it passes the suite of the table."""

from collections.abc import Mapping, Sequence

from services.ingest.domain.dedup import Id


class FakeMemory:
    """Ids with the latest day under which each is remembered."""

    def __init__(self, days: dict[Id, int]) -> None:
        self.days = days
        self.asked: list[list[Id]] = []

    async def known(self, ids: Sequence[Id], since_ms: int) -> Mapping[Id, int]:
        """Those of the ids that were appended on the day `since_ms` or later."""
        self.asked.append(list(ids))
        return {one: self.days[one] for one in ids if self.days.get(one, since_ms - 1) >= since_ms}
