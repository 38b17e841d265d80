"""A log without a server that agrees with every checkpoint, until a test changes it."""

from collections.abc import Mapping, Sequence
from uuid import UUID

from shared.runtime.metadata import TopicMetadata
from shared.stream.log.identity import Extent
from shared.stream.processor import Key

ENDLESS = Extent(0, 1 << 62, None)


class FakeLog:
    """One topic id for all topics; records cannot be compared unless a test gives an extent."""

    def __init__(self) -> None:
        self.metadata = TopicMetadata("cluster", UUID(int=1), 12)
        self.extent: dict[Key, Extent] = {}

    async def topics(self, names: Sequence[str]) -> dict[str, TopicMetadata]:
        """Each of these topics."""
        return dict.fromkeys(names, self.metadata)

    async def extents(self, offsets: Mapping[Key, int]) -> dict[Key, Extent]:
        """Ends of these partitions."""
        return {key: self.extent.get(key, ENDLESS) for key in offsets}

    async def routed_by(self, topic: str, found: TopicMetadata) -> int:
        """All partitions that there are."""
        return found.partitions
