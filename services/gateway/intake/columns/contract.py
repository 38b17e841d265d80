"""The contract of decoders: a request in; columns of points, columns of events and refusals by index out.

A protocol knows its bytes and nothing else. `admit_points` and `admit_events` check, number and count what its columns
hold, once for all protocols. Times are milliseconds UTC.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

import msgspec
import numpy as np
from numpy.typing import NDArray

from services.gateway.intake.columns.histograms import Buckets
from services.gateway.intake.domain.admission import Rejection
from shared.errors import Rejected

Spelling = msgspec.Raw | bytes
"""The labels of a point as bytes; equal bytes mean equal labels, whichever protocol wrote them."""


class Request(NamedTuple):
    """A request as it came."""

    body: bytes
    """Decompressed."""
    headers: Iterable[tuple[bytes, bytes]]
    query: bytes
    """The part of the address behind the question mark."""
    tenant_id: int
    received_at_ms: int


@dataclass(slots=True, eq=False)
class PointColumns:
    """Row i of each column is one point. The numbers of the series are looked up by kind, unit, name and labels."""

    name: Sequence[str]
    labels: Sequence[Spelling]
    labels_of: Callable[[int], Mapping[str, str]]
    """The labels of a row whose series is new; raises `Rejected`."""
    kinds: Sequence[tuple[str, str]]
    """Kind and unit of each row's series, or the one pair that all share."""
    ts_ms: NDArray[np.int64]
    value: NDArray[np.float64]
    weight: NDArray[np.float64] | None = None
    """None: all 1."""
    start_ms: NDArray[np.int64] | None = None
    """Since when a running total runs, 0 where unknown; None: all unknown."""
    distinct: NDArray[np.uint64] | None = None
    """Hash of the string to be counted, 0 where there is none; None: no row has one."""
    histogram: Buckets | None = None
    """The buckets of the rows that are histograms; None: no row is one."""
    timed: bool = True
    """Every point bears its own time, so that the same body posted again means the same points."""
    index: Sequence[int] | None = None
    """The place of each row in the request; None: all are here, in their order."""
    refused: Sequence[Rejection] = ()
    """What the protocol finds wrong, by row. It is told where the series, value, time and weight are good."""


@dataclass(slots=True, eq=False)
class EventColumns:
    """Row i of each column is one event; lengths are checked, characters are not."""

    event_id: Sequence[str]
    type: Sequence[str]
    ts_ms: Sequence[int]
    name: Sequence[str]
    session_id: Sequence[str | None]
    user_id: Sequence[str | None]
    properties: Sequence[msgspec.Raw] | Sequence[object]
    """The JSON text as it came, or the object that the protocol has read or made. All rows alike."""
    index: Sequence[int] | None = None
    """The place of each row in the request; None: all are here, in their order."""
    printable: bool = False
    """The protocol knows that the texts hold printable characters alone, so that nobody needs to look."""


@dataclass(slots=True, eq=False)
class RequestColumns:
    """What is in a request; a protocol may bring points, events or both."""

    points: PointColumns | None = None
    events: EventColumns | None = None
    refused: list[Rejection] = field(default_factory=list)
    """What has become no row, by its index in the request."""
    batch_key: bytes = b""
    """The idempotency key that the body itself names, empty where it names none."""


class Decoder(Protocol):
    """One kind of request of a protocol."""

    def decode(self, request: Request) -> RequestColumns:
        """Its columns; raise `Rejected` when there is nothing to take one by one."""
        ...


def check_size(signal: str, count: int, limit: int) -> None:
    """Raise `Rejected` for a request of no points or events, or of too many."""
    if count > limit:
        raise Rejected(f"too_many_{signal}", f"{signal}: at most {limit} a request")
    if not count:
        raise Rejected(f"no_{signal}", f"{signal}: must not be empty")
