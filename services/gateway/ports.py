"""What the gateway needs from outside.

Each port is small enough for a fake of thirty lines. The law: a dependency that is down is `Unavailable`, never
another exception, and no call waits without a limit of its own.
"""

from collections.abc import Awaitable, Callable, Sequence, Sized
from dataclasses import dataclass
from enum import Enum
from typing import Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from services.gateway.domain.alert import Alert, History
from services.gateway.domain.cardinality import DEFAULT_LIMIT
from services.gateway.domain.counted import Counted
from services.gateway.domain.dashboard import Span, Summary
from services.gateway.domain.funnel import Reach
from services.gateway.domain.health import Partition
from services.gateway.domain.identity import Identity
from services.gateway.domain.query import Query, WindowRow
from services.gateway.domain.statement import Minutes, Statement
from shared.model.funnel import Funnel


@dataclass(frozen=True, slots=True)
class Grant:
    """What a key gives its bearer."""

    tenant_id: int
    """Whose key it is."""
    scope: str
    """`write`, `read` or `admin` (both)."""
    points_per_s: float
    """Lasting rate of the tenant."""
    points_burst: float
    """Points the tenant may send at once."""
    max_series: int = DEFAULT_LIMIT
    """Series of the tenant that may be active."""


class Outcome(Enum):
    """What became of a chunk that was handed to the publisher."""

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


Spread = Callable[[float], float]
"""Shortens a period at random, so that processes that were restarted together do not do the same at one time."""


class Grants(Protocol):
    """Knows keys."""

    async def find(self, key_hash: bytes) -> Grant | None:
        """What the key with this SHA-256 gives, None for an unknown or revoked one."""
        ...


class Cargo(Sized, Protocol):
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


class Bindings(Protocol):
    """Knows for some minutes which body each key of a batch stands for, whichever gateway took it."""

    async def bind(self, batch: Identity) -> bool:
        """Whether the key is free or stands for this body; from now on it does. Raises `Unavailable`."""
        ...

    async def release(self, batch: Identity) -> None:
        """Take back one binding: nothing of the batch came into the log. Raises `Unavailable`."""
        ...


C_contra = TypeVar("C_contra", bound=Sized, contravariant=True)
"""What one request brings: points or events; its length is how many."""


class Publisher(Protocol[C_contra]):
    """Brings what requests carry to the log."""

    def refusal(self) -> str | None:
        """Why nothing can be taken now, None when it can."""
        ...

    def publish(self, chunk: C_contra) -> Awaitable[Outcome]:
        """Take it now; the outcome comes within the produce deadline."""
        ...

    def note(self, chunk: C_contra) -> None:
        """Say what was refused of a request that has nothing to publish; nobody waits for it."""
        ...


class Closed(Protocol):
    """Knows closed windows."""

    async def closed(self, query: Query) -> Sequence[WindowRow]:
        """Up to `limit + 1` rows in order."""
        ...


class Live(Protocol):
    """Knows live windows."""

    async def live(self, query: Query, now_ms: int) -> Sequence[WindowRow]:
        """All live rows of the query."""
        ...


class Funnels(Protocol):
    """Knows how far sessions came."""

    async def reach(self, tenant_id: int, funnel: Funnel, from_ms: int, to_ms: int) -> Reach:
        """How far the sessions came that entered in the range."""
        ...


class Alerts(Protocol):
    """Knows alerts and how they came to be as they are."""

    async def alerts(
        self, tenant_id: int, states: Sequence[str], resolved_since_ms: int, limit: int
    ) -> Sequence[Alert]:
        """Up to `limit` alerts in these states, newest first; of the resolved ones only the recent."""
        ...

    async def history(self, tenant_id: int, fingerprint: str) -> History | None:
        """An alert with its transitions, None for an unknown one."""
        ...


class Summaries(Protocol):
    """Knows closed windows by metric."""

    async def summaries(self, tenant_id: int, span: Span, limit: int) -> Sequence[Summary]:
        """Up to `limit` metrics by name, each merged over all its series."""
        ...


class Ledgers(Protocol):
    """Knows what became of what was received."""

    async def statement(self, tenant_id: int, cargo: str, span: Minutes) -> Statement:
        """What became of the points, or events, that a tenant sent in these minutes."""
        ...


class BatchCounts(Protocol):
    """Knows what became of batches."""

    async def counted(self, batch_id: bytes) -> Counted | None:
        """What became of a batch; None: nothing of it has counted within a day. Raises `Unavailable`."""
        ...


class Checkpoints(Protocol):
    """Knows what the services have committed."""

    async def partitions(self, topics: Sequence[str]) -> Sequence[Partition]:
        """Every partition of the topics that was ever acquired."""
        ...
