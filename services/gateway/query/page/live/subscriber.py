"""A subscriber of the live stream: one slot for what it is sent next.

Pure but for an event that wakes who sends. Invariant: a subscriber that takes nothing holds one frame at most; one that
missed a frame is given the whole state next.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple


class Frame(NamedTuple):
    """One event, encoded for all who ask the same, but for the alerts at its end."""

    event: str
    """`snapshot` or `frame`."""
    data: bytes
    """A JSON object without its closing brace."""
    plain: bytes
    """The event as it is sent to all who have no alerts to be told: they share these bytes."""


class Bye(NamedTuple):
    """The last event."""

    reason: str
    """`revoked`, `expired` or `restart`; `left`: nobody reads it."""
    after_ms: int = 0
    """For `restart`: when to come back."""


def _nothing() -> None:
    """Nothing to cut off."""


@dataclass(slots=True, eq=False)
class Subscriber:
    """One open stream."""

    key_hash: bytes
    slot: Frame | None = None
    bye: Bye | None = None
    missed: bool = True
    """It has not been told what comes before the next frame."""
    abort: Callable[[], None] = _nothing
    """Cuts its connection off."""
    woken: asyncio.Event = field(default_factory=asyncio.Event)

    def is_over(self) -> bool:
        """Whether it is to say why it ends."""
        return self.bye is not None

    def offer(self, frame: Frame) -> bool:
        """Put a frame into the slot; False when one that was not taken had to go."""
        free = self.slot is None
        self.slot, self.missed = frame, False
        self.woken.set()
        return free

    def end(self, bye: Bye) -> None:
        """Let it say why it ends; the first reason counts."""
        self.bye = self.bye or bye
        self.woken.set()

    def take(self) -> Frame | None:
        """What is to be sent; the slot is free then."""
        frame, self.slot = self.slot, None
        self.woken.clear()
        return frame
