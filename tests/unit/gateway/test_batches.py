"""Points of many requests become one batch for each partition."""

from typing import Any

import numpy as np
import pytest

from services.gateway.intake.columns.interner import Interner
from services.gateway.intake.domain.ledger import MAX_LINES, Admitted
from services.gateway.intake.publish.message_split import MAX_BYTES, Piece
from services.gateway.intake.publish.point_batches import PointBatches, PointIntakeBatch, cut
from shared.ledger.entries import Line, unsettled
from shared.model.point import Points
from shared.wire import envelope, series

NOW = 1_760_000_000_000


def catalogue(count: int, name: str = "m") -> Interner:
    """An interner that knows `count` series."""
    interner = Interner(1_000_000)
    known = interner.spellings(1, NOW)
    for at in range(count):
        interner.add(known, ("gauge", ""), (f"{name}{at}", b"{}"), dict)
    return interner


def request(
    interner: Interner,
    slots: list[int],
    first: int = 0,
    *,
    tenant_id: int = 1,
    refused: dict[str, int] | None = None,
) -> PointIntakeBatch:
    """Points of these series, valued `first`, `first + 1`, ..."""
    values = np.arange(first, first + len(slots), dtype=np.float64)
    points = Points(np.array(slots, np.int32), np.full(len(slots), NOW), values)
    return PointIntakeBatch(interner, points, NOW, Admitted(tenant_id, len(slots), refused or {}))


def rows_of(pieces: list[Piece]) -> list[tuple[int, bytes, float]]:
    """Partition, series and value of every row."""
    return [
        (piece.partition, piece.series[slot], value)
        for piece in pieces
        for slot, value in zip(piece.points.slot.tolist(), piece.points.value.tolist(), strict=True)
    ]


@pytest.mark.parametrize("partitions", [1, 3, 12])
def test_every_point_goes_to_the_owner_of_its_series_in_order(partitions: int) -> None:
    """Nothing is lost, doubled, misrouted or reordered within a partition."""
    interner = catalogue(50)
    rng = np.random.default_rng(7)
    slots = [rng.integers(0, 50, size).tolist() for size in (1, 7, 400, 1000)]
    batches, expected, first = [], [], 0
    for part in slots:
        batches.append(request(interner, part, first))
        expected += [(interner.packed[slot], float(first + at)) for at, slot in enumerate(part)]
        first += len(part)

    rows = rows_of(list(cut(batches, partitions)))

    assert sorted(expected) == sorted((packed, value) for _, packed, value in rows)
    assert all(p == series.partition_of(series.series_id(packed), partitions) for p, packed, _ in rows)
    assert rows == sorted(rows, key=lambda row: (row[0], row[2]))


def test_batches_of_two_catalogues_are_cut_apart_in_order() -> None:
    """When the memory of series starts anew, the older points go first."""
    old, new = catalogue(1, "old"), catalogue(1, "new")

    rows = rows_of(list(cut([request(old, [0, 0]), request(new, [0], 2)], 1)))

    assert [0.0, 1.0, 2.0] == [value for _, _, value in rows]


@pytest.mark.parametrize(
    ("name", "given", "expected"),
    [
        pytest.param("weight", np.array([-2.0]), [1.0, -2.0], id="weight"),
        pytest.param("start_ms", np.array([NOW]), [0, NOW], id="start"),
        pytest.param("distinct", np.array([1 << 63], np.uint64), [0, 1 << 63], id="distinct"),
        pytest.param("stream", np.array([1 << 63], np.uint64), [0, 1 << 63], id="stream"),
    ],
)
@pytest.mark.parametrize("partitions", [1, 3])
def test_a_column_of_some_batches_is_kept_and_others_have_its_default(
    name: str, given: Any, expected: list[float], partitions: int
) -> None:
    """A batch without weights beside one with them is all ones; without starts or hashes, all zeros."""
    interner = catalogue(1)
    with_column = request(interner, [0])
    setattr(with_column.points, name, given)

    (piece,) = cut([request(interner, [0]), with_column], partitions)

    assert expected == getattr(piece.points, name).tolist()
    assert 1 == sum(column is not None for column in piece.points.optional())
    assert given.dtype == getattr(piece.points, name).dtype


def test_no_batch_outgrows_its_limits() -> None:
    """Many rows or long series make several batches, none above the limits, in order."""
    interner = Interner(1_000_000)
    known = interner.spellings(1, NOW)
    labels = {f"l{at}": "v" * 250 for at in range(29)}
    for at in range(300):
        interner.add(known, ("gauge", ""), (f"m{at}", b"long"), labels.copy)
    batches = [request(interner, list(range(300)) * 70)]

    pieces = list(cut(batches, 1))
    sizes = [len(piece.points) for piece in pieces]

    assert (21_000, True) == (sum(sizes), max(sizes) <= envelope.MAX_ROWS)
    assert all(sum(map(len, piece.series)) <= MAX_BYTES for piece in pieces)
    assert list(map(float, range(21_000))) == [value for _, _, value in rows_of(pieces)]


def test_each_message_says_whose_rows_it_bears() -> None:
    """The ledger entries of a message are those of its rows, so that a message that is lost leaves no side open."""
    interner = catalogue(40)
    batches = [
        request(interner, list(range(40)), tenant_id=1),
        request(interner, list(range(0, 40, 2)), tenant_id=2),
        request(catalogue(3, "n"), [0, 1, 2], tenant_id=1),
    ]

    batches = sent(batches)

    assert {1: 43, 2: 20} == unsettled(line for batch in batches for line in batch.entries or ())
    assert all(len(batch.points) == sum(unsettled(batch.entries or ()).values()) for batch in batches)
    assert [None] * 3 == [batch.entries for batch in sent([])]


def test_refusals_go_with_the_first_message() -> None:
    """They came in and had an outcome at once, so the message is as open as its rows are many."""
    interner = catalogue(1)

    (first, *ticks) = sent([request(interner, [0, 0], refused={"ts_too_old": 3})])

    assert [
        Line(1, "received", 2), Line(1, "received", 3), Line(1, "rejected:ts_too_old", 3)
    ] == first.entries  # fmt: skip
    assert [None, None] == [tick.entries for tick in ticks]


def test_refusals_alone_go_with_a_tick() -> None:
    """A request without a good point is told of once, and not in vain when no tick is due."""
    batches = PointBatches(3, 0.0)
    batches.messages([], 5.0, NOW)

    messages, ticks = batches.messages([request(catalogue(0), [], refused={"a": 1, "b": 2})], 5.1, NOW)

    assert 1 == ticks == len(messages)
    assert [Line(1, "received", 3), Line(1, "rejected:a", 1), Line(1, "rejected:b", 2)] == (
        envelope.decode(messages[0][1], NOW).entries
    )
    assert ([], 0) == batches.messages([], 5.2, NOW)


def test_a_row_that_is_lost_on_the_way_is_told_of() -> None:
    """What was counted at the door is said, whatever the messages bear."""
    interner = catalogue(1)
    holed = request(interner, [0, 0, 0])
    holed.points = holed.points.rows(slice(1, None))

    batches = sent([holed])

    assert {1: 3} == unsettled(line for batch in batches for line in batch.entries or ())
    assert 2 == sum(len(batch.points) for batch in batches)


def test_pending_entries_of_many_tenants_are_spread_over_messages() -> None:
    """A message stays small, and of a tenant it says all or nothing."""
    interner = catalogue(0)
    refused = [request(interner, [], tenant_id=at, refused={"a": 1}) for at in range(MAX_LINES)]

    batches = sent(refused)

    lines = [line for batch in batches for line in batch.entries or ()]
    assert 2 * MAX_LINES == len(lines)
    assert all(len(batch.entries or ()) <= MAX_LINES + 1 for batch in batches)
    assert all({} == unsettled(batch.entries or ()) for batch in batches)


def sent(batches: list[PointIntakeBatch]) -> list[envelope.PointBatch]:
    """The first flush of a producer to three partitions, as a reader takes it."""
    messages, _ = PointBatches(3, 0.0).messages(batches, 0.0, NOW)
    return [envelope.decode(value, NOW) for _, value in messages]
