"""The rows of a client's batch stay together, and where they are too many, every repeat is parted alike."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from services.gateway.intake.columns.interner import Interner
from services.gateway.intake.domain.idempotency import Identity
from services.gateway.intake.domain.ledger import Admitted
from services.gateway.intake.domain.series_limit import SeriesLimiter
from services.gateway.intake.publish.message_split import MAX_BYTES
from services.gateway.intake.publish.point_batches import PointBatches, PointIntakeBatch
from shared.model.point import Points
from shared.wire import envelope
from shared.wire.stored.batch_ids import STEM_BYTES, part_id

NOW = 1_760_000_000_000
MINE = Identity(b"mine" * 4, 7)
OTHER = Identity(b"else" * 4, (1 << 64) - 1)


@pytest.fixture(scope="module")
def interner() -> Interner:
    """Series, some with labels so long that a few hundred fill a message."""
    made = Interner(1_000_000)
    known = made.spellings(1, NOW)
    labels = {f"l{at}": "v" * 250 for at in range(29)}
    for at in range(400):
        made.add(known, ("gauge", ""), (f"long{at}", b"long"), labels.copy)
    for at in range(400):
        made.add(known, ("gauge", ""), (f"m{at}", b"{}"), dict)
    return made


def request(interner: Interner, slots: Any, identity: Identity | None) -> PointIntakeBatch:
    """Points of these series, valued by their order."""
    count = len(slots)
    points = Points(np.array(slots, np.int32), np.full(count, NOW), np.arange(count, dtype=np.float64))
    return PointIntakeBatch(interner, points, NOW, Admitted(1, count, {}), identity=identity)


def sent(batches: list[PointIntakeBatch], partitions: int = 1) -> list[tuple[int, envelope.PointBatch]]:
    """The messages of a flush, with their partitions."""
    messages, _ = PointBatches(partitions, 0.0).messages(batches, 0.0, NOW)
    found = [(partition, envelope.decode(value, NOW)) for partition, value in messages]
    return [(partition, batch) for partition, batch in found if len(batch.points)]


def rows_of(
    batches: list[tuple[int, envelope.PointBatch]], name: Identity
) -> dict[tuple[int, bytes], list[float]]:
    """The values of each part of this batch."""
    return {
        (partition, part.batch_id): batch.points.value[part.first : part.first + part.rows].tolist()
        for partition, batch in batches
        for part in batch.batches
        if part.batch_id[:STEM_BYTES] == name.batch_id[:STEM_BYTES]
    }


def test_each_message_says_which_rows_are_of_which_batch(interner: Interner) -> None:
    """In every partition, between rows of batches without an id."""
    slots = [list(range(400 + at, 800, 3)) for at in range(3)]
    batches = [
        request(interner, mine, identity) for mine, identity in zip(slots, (MINE, None, OTHER), strict=True)
    ]

    batches = sent(batches, 4)

    for identity, count in ((MINE, len(slots[0])), (OTHER, len(slots[2]))):
        found = rows_of(batches, identity)
        assert sorted(map(float, range(count))) == sorted(value for rows in found.values() for value in rows)
        assert {identity.batch_id} == {batch_id for _, batch_id in found}
    assert {7, (1 << 64) - 1} == {part.body for _, batch in batches for part in batch.batches}


def test_a_batch_that_comes_twice_in_a_flush_has_two_parts(interner: Interner) -> None:
    """It is for the reader of the log to count one of them."""
    ((_, batch),) = sent([request(interner, [400, 401], MINE)] * 2)

    assert [envelope.Part(MINE.batch_id, 7, 0, 2), envelope.Part(MINE.batch_id, 7, 2, 2)] == batch.batches


@pytest.mark.parametrize("partitions", [1, 4])
def test_a_batch_is_never_split_for_its_neighbours(interner: Interner, partitions: int) -> None:
    """However large the flush is: a message ends where a batch does."""
    names = [replace(MINE, batch_id=at.to_bytes(8) * 2) for at in range(40)]
    batches = [request(interner, list(range(at, 400, 8)), name) for at, name in enumerate(names)]

    batches = sent(batches, partitions)

    assert len(batches) > partitions
    assert all(sum(map(len, batch.series)) <= MAX_BYTES for _, batch in batches)
    seen = [(partition, part.batch_id) for partition, batch in batches for part in batch.batches]
    assert len(set(seen)) == len(seen)


@pytest.mark.parametrize(
    "slots",
    [
        pytest.param(list(range(400)), id="too many bytes of series"),
        pytest.param(list(range(400, 800)) * 60, id="too many rows"),
    ],
)
def test_a_batch_too_large_for_a_message_is_parted_alike_in_any_company(
    interner: Interner, slots: list[int]
) -> None:
    """Each part has an id of its own, under which exactly these rows come, whatever columns the neighbours bring."""
    weighted = request(interner, [400, 401], OTHER)
    weighted.points.weight = np.array([2.0, 3.0])

    alone = sent([request(interner, slots, MINE)])
    between = sent([weighted, request(interner, slots, MINE), request(interner, list(range(300)), None)])

    found = rows_of(alone, MINE)
    assert found == rows_of(between, MINE)
    assert [(0, part_id(MINE.batch_id, at)) for at in range(len(found))] == list(found)
    assert len(found) > 1
    assert list(map(float, range(len(slots)))) == [value for rows in found.values() for value in rows]
    assert all(len(batch.points) <= envelope.MAX_ROWS for _, batch in between)


def test_more_series_than_a_slot_can_name_go_in_several_messages() -> None:
    """A flush of many clients may bring a partition more series than one message holds."""
    series_limiter, count = SeriesLimiter(), 70_000
    series_limiter.retune(1, count)
    made = Interner(1_000_000, series_limiter)
    known = made.spellings(1, NOW)
    for at in range(count):
        made.add(known, ("gauge", ""), (f"m{at}", b"{}"), dict)

    batches = sent([request(made, range(at, at + 1000), None) for at in range(0, count, 1000)])

    names = [batch.series[slot] for _, batch in batches for slot in batch.points.slot.tolist()]
    assert set(made.packed) == set(names)
    assert count == len(names)
