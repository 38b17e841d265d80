"""What alerts need from outside: somebody who is told.

Spans are seconds. The law: a notification is told again under the same key until it is settled, so whoever is told may
hear a thing twice, but never two things as one.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, Protocol

from services.alerts.domain.lifecycle import Transition


class Notification(NamedTuple):
    """What one receiver is to be told, claimed by us."""

    notification_id: int
    attempts: int
    """Including this one; tells this claim from others."""
    key: str
    """Idempotency key: the same in every attempt."""
    body: bytes
    """The very bytes to deliver."""
    until_s: float
    """When the claim lapses, by the monotonic clock: nothing may leave after it."""


@dataclass(frozen=True, slots=True)
class DeliveryResult:
    """What became of an attempt."""

    outcome: Literal["delivered", "again", "refused"]
    problem: str | None = None
    """Why it was not delivered."""
    least_s: float = 0.0
    """The shortest pause before another attempt that the receiver asked for."""


DELIVERED = DeliveryResult("delivered")


class Receiver(Protocol):
    """Somebody who is told of alerts."""

    name: str
    """Its name in the outbox."""
    at_once: int
    """How many calls may be under way at once."""
    batch: int
    """How many notifications one call takes."""

    def render(self, transition: Transition) -> bytes:
        """The very bytes that it is to be told of a transition."""

    async def deliver(self, notifications: Sequence[Notification]) -> DeliveryResult:
        """Tell it; one answer for all of them. Ends within a time shorter than a lease, and does not raise."""

    async def close(self) -> None:
        """Let its connections go."""
