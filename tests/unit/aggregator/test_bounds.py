"""What a partition remembers is bounded: series by refusal, producers by forgetting those silent longest."""

import numpy as np
import pytest

from services.aggregator.adapters.bounds import bounds
from services.aggregator.service import Arrival, PartitionFold
from shared.errors import Rejected
from shared.ledger.entries import Line
from shared.model.point import Points

T0 = 1_732_252_800_000


def fold(**limits: int) -> PartitionFold:
    """A partition with these limits."""
    return PartitionFold(lambda _: None, lambda _: 1, **limits)  # type: ignore[arg-type]


def feed(
    given: PartitionFold, producer: str, at_ms: int, *series: bytes, entries: list[Line] | None = None
) -> None:
    """One message with a point of each series."""
    count = len(series)
    points = Points(np.arange(count, dtype=np.uint16), np.full(count, T0 + at_ms), np.ones(count))
    given.fold(Arrival(producer, at_ms, T0 + at_ms, series, entries), points)


@pytest.mark.parametrize(
    ("more", "fits"),
    [pytest.param(0, True, id="below"), pytest.param(1, True, id="at"), pytest.param(2, False, id="above")],
)
def test_a_message_with_a_series_too_many_is_refused_whole(more: int, fits: bool) -> None:
    """It becomes a dead letter, to be replayed when there is room; what is known goes on."""
    full = fold(max_series=3)
    feed(full, "gateway", 1, b"a", b"b")
    try:
        feed(full, "gateway", 2, b"a", *(bytes([at]) for at in range(more)))
        taken = True
    except Rejected as refused:
        taken = refused.code != "too_many_series"
    feed(full, "gateway", 3, b"b")

    assert (fits, 2 + more * fits) == (taken, len(full.series))
    assert (3, T0 + 3) == full.seen["gateway"]


@pytest.mark.parametrize(
    ("count", "forgotten"),
    [pytest.param(2, 0, id="below"), pytest.param(3, 0, id="at"), pytest.param(4, 1, id="above")],
)
def test_producers_that_were_silent_longest_make_room(count: int, forgotten: int) -> None:
    """Each start of a gateway is a producer of its own."""
    kept = fold(max_producers=3)
    for at in range(count):
        feed(kept, str(at), at)

    kept.checkpoint()

    assert [str(at) for at in range(forgotten, count)] == sorted(kept.seen)
    assert forgotten == kept.evicted


def test_what_a_message_says_of_itself_weighs_until_the_commit() -> None:
    """Messages without points fill the ledger while Postgres is away."""
    waiting = fold()
    before = waiting.waiting_bytes
    feed(waiting, "gateway", 1, entries=[Line(1, "received", 3), Line(1, "rejected:bad", 1)])
    weighed = waiting.waiting_bytes

    waiting.checkpoint()

    assert (0, True, 0) == (before, weighed > 0, waiting.waiting_bytes)


def test_the_fullest_partition_is_shown() -> None:
    """And what all partitions had no room for."""
    small, large = fold(max_producers=1), fold(max_producers=1)
    feed(small, "a", 1, b"a")
    for producer in ("a", "b", "c"):
        feed(large, producer, 1, b"a", b"b")
    for each in (small, large):
        each.checkpoint()

    shown = {bound.name: (bound.used(), bound.evicted()) for bound in bounds(lambda: [small, large])}

    assert ((2, 0), (1, 2)) == (shown["fold_series"], shown["producers"])
