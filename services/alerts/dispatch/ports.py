"""What dispatch needs from outside: the outbox of transitions, the notifications, and receivers.

Spans are seconds. A notification is delivered again under the same key until its outcome is noted, so a receiver may
get a transition twice, but never two transitions as one.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, Protocol

from services.alerts.domain.transition import Transition
from shared.alerts.silences.matchers import Silence


class OutboxEntry(NamedTuple):
    """A transition that no receiver has been chosen for."""

    outbox_id: int
    transition: Transition
    by_hand: bool
    """Receivers were told that the episode is over when somebody said so."""


class NewNotification(NamedTuple):
    """A transition for one receiver."""

    outbox_id: int
    receiver: str
    key: str
    rule: str
    series_id: int
    episode_ms: int
    transition: str
    body: bytes | None
    """None: it is rendered when it is delivered."""
    group: str | None
    """The group that it is told with; None: alone."""
    muted_by: str | None
    """The silence that holds it back."""


class Notification(NamedTuple):
    """A notification that this process has claimed."""

    notification_id: int
    attempts: int
    """Including this one; distinguishes this claim from others."""
    key: str
    """Idempotency key: the same in every attempt."""
    content: Transition | bytes | None
    """What to render; bytes that were rendered when the row was written; None when the transition is gone."""
    lease_end_s: float
    """When the claim lapses, by the monotonic clock: nothing may leave after it."""
    reduced: bool = False
    """The receiver found it too large: no annotations."""
    group: str | None = None
    """The group that it belongs to."""
    message: str | None = None
    """The key of the message that it is a member of; None: it is told alone."""


class Payload(NamedTuple):
    """A rendered notification."""

    key: str
    body: bytes
    lease_end_s: float


@dataclass(frozen=True, slots=True)
class DeliveryResult:
    """What became of an attempt."""

    outcome: Literal["delivered", "again", "refused", "too_large", "impossible"]
    """A refusal is tried again for a while, what is too large without annotations, what is impossible never."""
    problem: str | None = None
    """Why it was not delivered."""
    least_s: float = 0.0
    """The shortest pause before another attempt that the receiver asked for."""


DELIVERED = DeliveryResult("delivered")


class RecordedResult(NamedTuple):
    """A result as the table holds it."""

    key: str
    attempts: int
    problem: str | None
    """Why it was not delivered."""
    given_up: bool
    """Whether it is never tried again."""


class TransitionOutbox(Protocol):
    """Transitions in the order of the log."""

    async def pending(self, limit: int) -> Sequence[OutboxEntry]:
        """The first ones. Raises `Unavailable`."""

    async def replace(self, entries: Sequence[OutboxEntry], notifications: Sequence[NewNotification]) -> None:
        """Put notifications in the place of these entries, at once; not for those that another has replaced.

        Raises `Unavailable`.
        """

    async def silences(self) -> Sequence[Silence]:
        """Those that are in force. Raises `Unavailable`."""


class Reconciliation(Protocol):
    """Brings what receivers are to hear of in line with what people have said."""

    async def reconcile(self) -> bool:
        """One look; whether something may be due that was not. Raises `Unavailable`."""


class NotificationQueue(Protocol):
    """Notifications, shared with other processes."""

    async def claim(self, receiver: str, limit: int) -> Sequence[Notification]:
        """Up to `limit` that are due, for this process alone until their lease ends. Raises `Unavailable`."""

    async def record(
        self, results: Sequence[tuple[Notification, DeliveryResult]]
    ) -> Sequence[RecordedResult]:
        """Note results, but not of those that others have claimed meanwhile. Raises `Unavailable`."""


class Groups(Protocol):
    """How a receiver is told of several alerts at once."""

    @property
    def by(self) -> Sequence[str]:
        """Labels whose equal values make a group."""

    def render(self, group: str, transitions: Sequence[Transition]) -> bytes:
        """The bytes that say these transitions of a group; the same each time."""


class Receiver(Protocol):
    """Who is notified of alerts."""

    name: str
    """Its name in the table of notifications."""
    concurrency: int
    """How many calls may be under way at once."""
    batch: int
    """How many notifications one call takes."""
    hears_all: bool
    """It is a record of what happened, and no silence is for it."""

    @property
    def groups(self) -> Groups | None:
        """Which alerts are told together; None: each is told alone."""

    def render(self, transition: Transition) -> bytes:
        """The bytes that say this transition; the same each time."""

    async def deliver(self, payloads: Sequence[Payload]) -> DeliveryResult:
        """Deliver them; one result for all. Ends within a time shorter than a lease, and does not raise."""

    async def close(self) -> None:
        """Let its connections go."""
