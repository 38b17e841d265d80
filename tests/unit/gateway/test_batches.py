"""Points of many requests become one batch for each partition."""

from typing import Any

import numpy as np
import pytest

from services.gateway.adapters.batches import MAX_BYTES, Chunk, Piece, cut
from services.gateway.adapters.decoders.interner import Interner
from shared.model.point import Points
from shared.wire import envelope, series

NOW = 1_760_000_000_000


def catalogue(count: int, name: str = "m") -> Interner:
    """An interner that knows `count` series."""
    interner = Interner(1_000_000)
    known = interner.spellings(1, NOW)
    for at in range(count):
        interner.add(known, ("gauge", ""), f"{name}{at}", b"{}")  # type: ignore[arg-type]
    return interner


def chunk(interner: Interner, slots: list[int], first: int = 0) -> Chunk:
    """Points of these series, valued `first`, `first + 1`, ..."""
    values = np.arange(first, first + len(slots), dtype=np.float64)
    return Chunk(interner, Points(np.array(slots, np.int32), np.full(len(slots), NOW), values), NOW)


def told(pieces: list[Piece]) -> list[tuple[int, bytes, float]]:
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
    chunks, expected, first = [], [], 0
    for part in slots:
        chunks.append(chunk(interner, part, first))
        expected += [(interner.packed[slot], float(first + at)) for at, slot in enumerate(part)]
        first += len(part)

    rows = told(list(cut(chunks, partitions)))

    assert sorted(expected) == sorted((packed, value) for _, packed, value in rows)
    assert all(p == series.partition_of(series.series_id(packed), partitions) for p, packed, _ in rows)
    assert rows == sorted(rows, key=lambda row: (row[0], row[2]))


def test_chunks_of_two_catalogues_are_cut_apart_in_order() -> None:
    """When the memory of series starts anew, the older points go first."""
    old, new = catalogue(1, "old"), catalogue(1, "new")

    rows = told(list(cut([chunk(old, [0, 0]), chunk(new, [0], 2)], 1)))

    assert [0.0, 1.0, 2.0] == [value for _, _, value in rows]


@pytest.mark.parametrize(
    ("name", "given", "expected"),
    [
        pytest.param("weight", np.array([-2.0]), [1.0, -2.0], id="weight"),
        pytest.param("start_ms", np.array([NOW]), [0, NOW], id="start"),
        pytest.param("distinct", np.array([1 << 63], np.uint64), [0, 1 << 63], id="distinct"),
    ],
)
@pytest.mark.parametrize("partitions", [1, 3])
def test_a_column_of_some_chunks_is_kept_and_others_have_its_default(
    name: str, given: Any, expected: list[float], partitions: int
) -> None:
    """A chunk without weights beside one with them is all ones; without starts or hashes, all zeros."""
    interner = catalogue(1)
    with_column = chunk(interner, [0])
    setattr(with_column.points, name, given)

    (piece,) = cut([chunk(interner, [0]), with_column], partitions)

    assert expected == getattr(piece.points, name).tolist()
    assert 1 == sum(column is not None for column in piece.points.optional())
    assert given.dtype == getattr(piece.points, name).dtype


def test_no_batch_outgrows_its_limits() -> None:
    """Many rows or long series make several batches, none above the limits, in order."""
    interner = Interner(1_000_000)
    known = interner.spellings(1, NOW)
    labels = ",".join(f'"l{at}":"{"v" * 250}"' for at in range(29))
    for at in range(300):
        interner.add(known, ("gauge", ""), f"m{at}", f"{{{labels}}}".encode())  # type: ignore[arg-type]
    chunks = [chunk(interner, list(range(300)) * 70)]

    pieces = list(cut(chunks, 1))
    sizes = [len(piece.points) for piece in pieces]

    assert (21_000, True) == (sum(sizes), max(sizes) <= envelope.MAX_ROWS)
    assert all(sum(map(len, piece.series)) <= MAX_BYTES for piece in pieces)
    assert list(map(float, range(21_000))) == [value for _, _, value in told(pieces)]
