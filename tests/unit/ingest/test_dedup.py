"""What is new: the first of each id, within the memory of the log."""

from dataclasses import dataclass

import pytest

from services.ingest.domain.dedup import DAY_MS, Id, day_of, ids_of, new_ones, oldest_day
from services.ingest.service import Arrival, EventWork, PartitionIntake, judge
from shared.model.event import REMEMBERED_MS
from tests.support.memory import FakeMemory

NOON_MS = 20_370 * DAY_MS + DAY_MS // 2


@dataclass(frozen=True)
class BareEvent:
    """As much of an event as it is known by."""

    tenant_id: int
    event_id: str


def bare(*ids: str, tenant_id: int = 1) -> list[BareEvent]:
    """Events of one tenant."""
    return [BareEvent(tenant_id, event_id) for event_id in ids]


def arrival(offset: int, *ids: str) -> Arrival[BareEvent]:
    """A record appended at noon."""
    return Arrival(offset, NOON_MS, bare(*ids))


def gathered(*arrivals: Arrival[BareEvent]) -> EventWork[BareEvent]:
    """The checkpoint of a partition that took these records."""
    intake = PartitionIntake[BareEvent]()
    for one in arrivals:
        intake.take(one, 100)
    assert 100 * len(arrivals) == intake.waiting_bytes
    return intake.checkpoint()


def outcomes(work: EventWork[BareEvent]) -> list[tuple[int, list[str]]]:
    """Offsets of the records that brought something new, with its ids."""
    return [(one.offset, [event.event_id for event in new]) for one, new in work.judged()]


def test_the_first_of_each_id_is_new() -> None:
    """Repeats within a record and after it are not, and tenants do not share ids."""
    earlier: set[Id] = {(1, "x")}
    events = [*bare("a", "b", "a", "x"), *bare("a", tenant_id=2)]

    assert [(1, "a"), (1, "b"), (2, "a")] == ids_of(new_ones(events, {}, NOON_MS, earlier))
    assert {(1, "x"), (1, "a"), (1, "b"), (2, "a")} == earlier


@pytest.mark.parametrize(
    ("age_ms", "repeat"),
    [
        pytest.param(0, True, id="today"),
        pytest.param(-DAY_MS, True, id="tomorrow, by the clock of another broker"),
        pytest.param(REMEMBERED_MS, True, id="seven days ago"),
        pytest.param(REMEMBERED_MS + DAY_MS // 2, True, id="on the day that was seven days ago"),
        pytest.param(REMEMBERED_MS + DAY_MS // 2 + 1, False, id="the day before that"),
    ],
)
def test_an_id_is_remembered_for_seven_days_of_the_log(age_ms: int, repeat: bool) -> None:
    """By whole days, never for less."""
    known = {(1, "a"): day_of(NOON_MS - age_ms)}

    assert repeat == (not new_ones(bare("a"), known, NOON_MS, set()))
    assert repeat == (known[1, "a"] >= oldest_day(NOON_MS))


async def test_a_checkpoint_tells_what_is_new_by_record() -> None:
    """In the order of the log, whether an id came earlier in it or is stored already; the intake is empty then."""
    work = gathered(arrival(7, "a", "stored"), arrival(8, "a", "stored"), arrival(9, "b", "a"))
    await judge([work], FakeMemory({(1, "stored"): day_of(NOON_MS)}))

    assert [(7, ["a"]), (9, ["b"])] == outcomes(work)


async def test_a_verdict_stands() -> None:
    """Judging again, when the ids have been stored meanwhile or beside newer checkpoints, changes nothing."""
    first, second = gathered(arrival(7, "a")), gathered(arrival(3, "a", "b"))
    memory = FakeMemory({})
    await judge([first], memory)
    memory.days[1, "a"] = day_of(NOON_MS)
    await judge([first, second], memory)

    assert [(7, ["a"])] == outcomes(first)
    assert [(3, ["b"])] == outcomes(second)
    assert [[(1, "a")], [(1, "a"), (1, "b")]] == memory.asked


async def test_partitions_of_one_process_share_their_verdicts() -> None:
    """An id that a client used in two sessions is new in one of them."""
    first, second = gathered(arrival(7, "a")), gathered(arrival(3, "a"))
    await judge([first, second], FakeMemory({}))

    assert ([(7, ["a"])], []) == (outcomes(first), outcomes(second))


async def test_nothing_is_asked_for_records_without_events() -> None:
    """An empty batch moves the offset, no more."""
    work, memory = gathered(arrival(7)), FakeMemory({})
    await judge([work], memory)

    assert ([], []) == (outcomes(work), memory.asked)


def test_nothing_is_made_of_what_is_not_judged() -> None:
    """That would be a bug, and is loud."""
    with pytest.raises(RuntimeError):
        gathered(arrival(1, "a")).judged()
