"""What the aggregator needs from outside. `rollups` carry slots that mean the series they come with.

The law: absolute values everywhere, so that saying a thing twice is saying it once.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from shared.model.rollup import Rollups


@dataclass(frozen=True, slots=True)
class LiveWindow:
    """One open window of one partition as it stands now."""

    partition: int
    start_ms: int
    next_offset: int
    """The window holds what lies below this offset."""
    watermark_ms: int
    series: Sequence[bytes]
    rollups: Rollups


class LiveWindows(Protocol):
    """Shows windows that are still open."""

    async def show(self, windows: Sequence[LiveWindow]) -> None:
        """Replace what is shown of these windows. Raises `Unavailable`."""
