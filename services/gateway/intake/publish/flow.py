"""What has gone through a publisher, as plain counts.

Rows and messages are counted when all partitions of their flush have acknowledged it.
"""

from dataclasses import dataclass


@dataclass(slots=True)
class Flow:
    """Plain counts that `/metrics` shows."""

    flushes: int = 0
    messages: int = 0
    rows: int = 0
    bytes: int = 0
    ticks: int = 0
    producers: int = 0

    def count(self, rows: int, sizes: list[int], ticks: int) -> None:
        """A flush of so many rows was acknowledged, with messages of these sizes, so many of which are ticks."""
        self.flushes += 1
        self.ticks += ticks
        self.messages += len(sizes) - ticks
        self.rows += rows
        self.bytes += sum(sizes)
