"""How fresh what is live is: by the slowest watermark, never by a client's clock. Pure.

Times are milliseconds UTC.
"""

from dataclasses import dataclass
from typing import Literal

Status = Literal["live", "behind", "stalled"]

BEHIND_MS = 20_000
"""From then on what has closed is behind: a window of 10 s closes some 13 s after its begin."""

STALLED_MS = 30_000
"""A watermark that has not moved for so long stands still."""


@dataclass(slots=True)
class Freshness:
    """Where the slowest watermark stands, and since when."""

    complete_until_ms: int = 0
    moved_ms: int = 0
    """When it was last seen to move."""

    def note(self, complete_until_ms: int, now_ms: int) -> None:
        """Windows that end at or before this are complete."""
        if complete_until_ms != self.complete_until_ms or not self.moved_ms:
            self.complete_until_ms, self.moved_ms = complete_until_ms, now_ms

    def behind_ms(self, now_ms: int) -> int:
        """How far it is behind this process's clock."""
        return max(0, now_ms - self.complete_until_ms)

    def status(self, now_ms: int) -> Status:
        """In a word."""
        if not self.complete_until_ms or now_ms - self.moved_ms >= STALLED_MS:
            return "stalled"
        return "behind" if self.behind_ms(now_ms) >= BEHIND_MS else "live"
