"""The contract of decoders: a request in; columns of points, columns of events and refusals by index out.

A protocol knows its bytes and nothing else. `admit_points` and `admit_events` check, number and count what its columns
hold, once for all protocols. Times are milliseconds UTC.
"""

from array import array
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Generic, NamedTuple, Protocol, TypeVar, overload, runtime_checkable

import msgspec
import numpy as np
from numpy.typing import NDArray

from services.gateway.intake.columns.histograms import Buckets
from services.gateway.intake.domain.admission import Rejection
from services.gateway.intake.steps import Steps
from shared.errors import Rejected

T = TypeVar("T")

Spelling = msgspec.Raw | bytes
"""The labels of a point as bytes; equal bytes mean equal labels, whichever protocol wrote them."""


def unlimited(_items: int) -> None:
    """Any number of items may be decoded."""


class SeriesRef(msgspec.Struct, eq=False, gc=False):
    """A series as a protocol remembers it."""

    name: str
    kind: str
    unit: str
    labels: bytes
    """Their spelling."""
    stream: int = 0
    """As `PointColumns.stream` has it."""
    place: int = -1
    """Where it stands in the table of its tenant; -1: it is remembered nowhere."""


@dataclass(slots=True, eq=False, weakref_slot=True)
class SeriesTable:
    """The series that a protocol remembers of a tenant. It only grows, so that a place means one series for ever."""

    refs: list[SeriesRef] = field(default_factory=list)
    stream: "array[int]" = field(default_factory=lambda: array("Q"))
    """Of each of them."""

    def add(self, ref: SeriesRef) -> SeriesRef:
        """Give it the next place."""
        ref.place = len(self.refs)
        self.refs.append(ref)
        self.stream.append(ref.stream)
        return ref


class RefColumn(NamedTuple):
    """The series of rows, each known by its place in a table, without a look at name and labels."""

    table: SeriesTable
    places: NDArray[np.int32]

    def of(self, row: int) -> SeriesRef:
        """The series of a row."""
        return self.table.refs[int(self.places[row])]


class RefField(Sequence[T], Generic[T]):
    """A field of the series of each row, read when it is asked for: known series are never asked."""

    def __init__(self, refs: RefColumn, read: Callable[[SeriesRef], T]) -> None:
        self._refs = refs
        self._read = read

    @overload
    def __getitem__(self, row: int) -> T: ...
    @overload
    def __getitem__(self, row: slice) -> Sequence[T]: ...
    def __getitem__(self, row: int | slice) -> T | Sequence[T]:
        table, places = self._refs
        if isinstance(row, slice):
            return [self._read(table.refs[place]) for place in places[row].tolist()]
        return self._read(table.refs[places[row]])

    def __len__(self) -> int:
        return len(self._refs.places)


class Request(NamedTuple):
    """A request as it came."""

    body: bytes
    """Decompressed."""
    headers: Iterable[tuple[bytes, bytes]]
    query: bytes
    """The part of the address behind the question mark."""
    tenant_id: int
    received_at_ms: int
    path: str = ""
    media: bytes = b""
    """Its content type, without parameters and in lower case."""
    scrub: frozenset[str] = frozenset()
    """What is taken out of what it brings, behind the decoder."""
    expect: Callable[[int], None] = unlimited
    """To be told how many points or events there are before they are decoded; raises what ends the request."""


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
    stream: NDArray[np.uint64] | None = None
    """Of running totals: `stream_id` of what tells them apart and is no label, 0 where nothing does; None: nowhere."""
    histogram: Buckets | None = None
    """The buckets of the rows that are histograms; None: no row is one."""
    timed: bool = True
    """Every point bears its own time, so that the same body posted again means the same points."""
    index: Sequence[int] | None = None
    """The place of each row in the request; None: all are here, in their order."""
    refs: RefColumn | None = None
    """The series of each row, where the protocol remembers them; then name, labels and kinds are those of the refs."""
    refused: Sequence[Rejection] = ()
    """What the protocol finds wrong, by row. It is told where the series, value, time and weight are good."""


def ref_columns(
    refs: RefColumn,
    ts_ms: NDArray[np.int64],
    value: NDArray[np.float64],
    labels_of: Callable[[int], Mapping[str, str]],
) -> PointColumns:
    """The columns of points whose series the protocol remembers."""
    return PointColumns(
        RefField(refs, lambda ref: ref.name),
        RefField(refs, lambda ref: ref.labels),
        labels_of,
        RefField(refs, lambda ref: (ref.kind, ref.unit)),
        ts_ms,
        value,
        refs=refs,
    )


@dataclass(slots=True, eq=False)
class EventColumns:
    """Row i of each column is one event; lengths are checked, characters are not."""

    event_id: Sequence[str]
    type: Sequence[str]
    ts_ms: Sequence[int]
    name: Sequence[str]
    session_id: Sequence[str | None]
    user_id: Sequence[str | None]
    properties: Sequence[msgspec.Raw]
    """The JSON text as it came: an object that was read and written again would lose digits of its numbers."""
    index: Sequence[int] | None = None
    """The place of each row in the request; None: all are here, in their order."""
    printable: bool = False
    """The protocol knows that the texts hold printable characters alone, so that nobody needs to look."""
    flat: bool = False
    """The properties are known to be objects of texts, bools and numbers that a table holds, if not for their size."""


@dataclass(slots=True, eq=False)
class RequestColumns:
    """What is in a request; a protocol may bring points, events or both."""

    points: PointColumns | None = None
    events: EventColumns | None = None
    refused: list[Rejection] = field(default_factory=list)
    """What has become no row, by its index in the request."""
    batch_key: bytes = b""
    """The idempotency key that the body itself names, empty where it names none."""
    content: bytes = b""
    """What a repeat is known by where the body also says when it was sent; empty: the whole body."""


@runtime_checkable
class InSteps(Protocol):
    """A decoder of bodies that may be so large that others are to be served meanwhile."""

    def steps(self, request: Request) -> Steps[RequestColumns]:
        """What `decode` returns, in steps."""
        ...


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
