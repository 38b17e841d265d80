"""What the aggregator needs from outside. `rollups` have slots that mean the series they come with.

All values are absolute, so showing a window twice is the same as showing it once.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from shared.model.rollup import Rollups


@dataclass(frozen=True, slots=True)
class LiveWindow:
    """One open window of one partition in its present state."""

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
