"""What the intake needs from outside.

Each port is small enough for a fake of thirty lines. A dependency that is down is `Unavailable`, never another
exception, and no call waits without a limit of its own.
"""

from collections.abc import Awaitable, Sequence, Sized
from enum import Enum
from typing import Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from services.gateway.intake.domain.growing_body import Prefix
from services.gateway.intake.domain.idempotency import Identity


class Outcome(Enum):
    """What became of a batch that was handed to the publisher."""

    ACCEPTED = "accepted"
    """The broker has them, acknowledged by all replicas."""
    NOT_ACCEPTED = "not_accepted"
    """They were never produced and never will be."""
    UNKNOWN = "unknown"
    """They were produced, but no answer came in time."""


class Catalogue(Protocol):
    """Numbers given to series; the slots of points mean them."""

    packed: list[bytes]

    def partitions(self, count: int) -> NDArray[np.int16]:
        """Partition of every series, when there are `count`."""
        ...


class IntakeBatch(Sized, Protocol):
    """What one request brings; its length is how many rows."""

    @property
    def taken(self) -> int:
        """How many of the client's points or events they are."""
        ...

    @property
    def overflowed(self) -> int:
        """How many of them count into overflow series."""
        ...

    @property
    def identity(self) -> Identity | None:
        """What repeats of it are known by."""
        ...


class IdempotencyClaims(Protocol):
    """Knows for some minutes which body each key of a batch stands for, whichever gateway took it."""

    async def claim_idempotency_key(self, batch: Identity) -> bool:
        """Whether the key is free or stands for this body; from now on it does. Raises `Unavailable`."""
        ...

    async def release(self, batch: Identity) -> None:
        """Take back one claim: nothing of the batch came into the log. Raises `Unavailable`."""
        ...


class GrowingBodies(Protocol):
    """Knows for some minutes which bodies came, to any gateway, that may come again with more behind them."""

    async def earlier(self, name: bytes, body: Prefix) -> Sequence[Prefix]:
        """Those of this name that came before; from now on this body is one of them. Raises `Unavailable`."""
        ...


C_contra = TypeVar("C_contra", bound=Sized, contravariant=True)
"""What one request brings: points or events; its length is how many."""


class Publisher(Protocol[C_contra]):
    """Brings what requests carry to the log."""

    def refusal(self) -> str | None:
        """Why nothing can be taken now, None when it can."""
        ...

    def publish(self, batch: C_contra) -> Awaitable[Outcome]:
        """Take it now; the outcome comes within the produce deadline."""
        ...

    def note(self, batch: C_contra) -> None:
        """Say what was refused of a request that has nothing to publish; nobody waits for it."""
        ...
