"""Which records are folded under one mark: as many as may be, and alone who is suspected or refused."""

from shared.stream.containment.breaker import Breaker
from shared.stream.containment.care import together
from shared.stream.containment.deaths import MARKED_TOGETHER, MAX_DEATHS, SILENT, Death, Suspects
from shared.stream.owned import OwnedPartition
from shared.stream.processor import Key, Record


def portions(count: int, *deaths: Death, skips: frozenset[int] = frozenset()) -> list[list[int]]:
    """Offsets of the portions of so many records of a partition with these deaths."""
    owned: OwnedPartition[object] = OwnedPartition(
        Key("t", 0), 1, None, 0, 0, Breaker(0, 0), Suspects(0, deaths, 2), skips
    )
    records = [Record(offset, 0, b"") for offset in range(count)]
    return [[record.offset for record in portion] for portion in together(owned, records)]


def test_records_share_a_mark() -> None:
    """So that a thousand records cost some sixty statements and not two thousand."""
    sizes = [len(portion) for portion in portions(2 * MARKED_TOGETHER + 3)]

    assert [MARKED_TOGETHER, MARKED_TOGETHER, 3] == sizes


def test_a_suspected_record_is_alone() -> None:
    """And so is each of those that were under one mark when a process ended."""
    assert [[0, 1], [2], [3], [4, 5]] == portions(6, Death(2, 4, 1, SILENT))


def test_a_refused_record_is_alone() -> None:
    """It is not folded, so it needs no mark, and its neighbours do."""
    assert [[0], [1], [2]] == portions(3, skips=frozenset({1}))
    assert [[0], [1], [2]] == portions(3, Death(1, 2, MAX_DEATHS, "e"))
