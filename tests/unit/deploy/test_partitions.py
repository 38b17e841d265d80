"""`tidegauge partitions`: where a reset may go, and what an operator reads of a partition."""

from datetime import UTC, datetime

import pytest

from deploy.partitions import Details, described, offset_of, rendered
from deploy.postgres.partitions import DeathRow, Partition, Stop
from shared.errors import Misconfigured
from shared.stream.containment.breaker import DEATHS

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
STOPPED = Partition(
    "points", 3, "worker-1", 7, AT, AT, Stop(7, "the record at 7 has ended 3 workers", DEATHS, AT)
)
MOVING = Partition("points", 4, "", 9, None, AT, None)


@pytest.mark.parametrize(
    ("to", "offset"), [("earliest", 5), ("latest", 9), ("5", 5), ("7", 7), ("9", 9)], ids=str
)
def test_a_reset_goes_to_an_offset_of_the_log(to: str, offset: int) -> None:
    """Its ends included."""
    assert offset == offset_of(to, 5, 9)


@pytest.mark.parametrize("to", ["4", "10", "-1", "first", ""])
def test_a_reset_goes_nowhere_else(to: str) -> None:
    """A checkpoint outside its log would stop the partition at once."""
    with pytest.raises(Misconfigured, match="--to: "):
        offset_of(to, 5, 9)


def test_a_stopped_partition_says_why_and_what_to_do() -> None:
    """The others are one line each."""
    lines = list(rendered([STOPPED, MOVING]))

    assert ["points", "stopped"] == [lines[1].split()[0], lines[1].split()[-1]]
    assert "nobody" in lines[2]
    assert (
        "stopped since 2026-03-01 12:00:00Z: points 3 at 7: the record at 7 has ended 3 workers" == lines[3]
    )
    assert "`tidegauge partitions skip points 3`" in lines[4]
    assert "no partition is stopped" == list(rendered([MOVING]))[-1]


def test_a_partition_shows_what_has_ended_its_workers() -> None:
    """Restores, single records, and the records of one commit."""
    deaths = [DeathRow(7, 7, 1, "a", AT), DeathRow(7, 8, 2, "b", AT), DeathRow(7, 12, 1, "c", AT)]

    text = "\n".join(described(Details(STOPPED, deaths, [5])))

    assert "restoring at 7 ended 1 workers, last 2026-03-01 12:00:00Z: a" in text
    assert "the record at 7 ended 2 workers" in text
    assert "a record of 7 to 11 ended 1 workers" in text
    assert "the record at 5 becomes a dead letter" in text
