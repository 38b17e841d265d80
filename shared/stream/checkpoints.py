"""What the pump needs of the store of checkpoints; `Ownership` implements it in Postgres and documents it in full.

Offsets are Kafka's. One contract suite holds it to what simulations use in its place.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Protocol

from shared.stream.containment.breaker import BreakerTrip
from shared.stream.containment.breaker_store import Decision
from shared.stream.ownership import F, Outcome, Restore, Write
from shared.stream.processor import Cut, Key, Stored


class Checkpoints(Protocol):
    """Stores checkpoints and owners of partitions."""

    async def acquire(self, keys: Sequence[Key], restore: Restore[F]) -> tuple[dict[Key, Stored], F]:
        """Take ownership and read the checkpoints. Raises `Unavailable`."""

    async def commit(self, cuts: Sequence[Cut[Any]], write: Write) -> Outcome:
        """One transaction for all cuts that still may. Raises `Unavailable` when the result is unknown."""

    async def latest_epochs(self, keys: Sequence[Key]) -> Mapping[Key, int]:
        """The epochs of those whose latest owner is this process. Raises `Unavailable`."""

    async def stopped(self, trips: Mapping[Key, BreakerTrip]) -> Mapping[Key, Decision]:
        """Record stopped partitions; return what an operator decided of each. Raises `Unavailable`."""

    async def released(self, fenced: Collection[Key], stopped: Collection[Key]) -> Collection[Key]:
        """Those to be acquired anew: an operator has reset them, or one that is stopped has another owner by now.

        A stopped partition commits nothing that could be refused. Raises `Unavailable`.
        """
