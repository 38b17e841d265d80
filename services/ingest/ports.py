"""What the inside of ingest needs from outside. Milliseconds UTC.

An id that was stored with an event is known from then on, for as long as it can make another event a repeat.
"""

from collections.abc import Mapping, Sequence
from typing import Protocol

from services.ingest.domain.dedup import Id


class Memory(Protocol):
    """Remembers the ids of the events that are stored."""

    async def known(self, ids: Sequence[Id], since_ms: int) -> Mapping[Id, int]:
        """Those of the ids that were appended on the day `since_ms` or later, each with its latest day.

        Raises `Unavailable`.
        """
