"""A process whose client fetches nothing, or whose commit does not end, is found; one that waits for others is not."""

import asyncio

import pytest

from shared.errors import Unavailable
from shared.stream.owned import OwnedPartition, owned_from
from shared.stream.processor import Key, Stored
from shared.stream.progress import IDLE_LOOKS, Progress
from tests.unit.shared.texts import System, Text, run

KEY = Key("points", 3)


def partition(end: int) -> OwnedPartition[str]:
    """One at offset 0 whose log ended there."""
    one = owned_from(KEY, Stored(1, 0, None, b"", None), Text(""))
    one.end = end
    return one


def commit(progress: Progress) -> None:
    """An attempt that succeeds."""
    with progress.attempt():
        pass


def looked(progress: Progress, one: OwnedPartition[str], times: int = IDLE_LOOKS + 1) -> str | None:
    """Look so often, each time after a commit; the symptom."""
    for _ in range(times):
        commit(progress)
        progress.looked({KEY: one})
    return progress.idle()


def test_records_that_nobody_folds_are_a_symptom() -> None:
    """Commits succeed, the log goes on, and the partition stands."""
    progress = Progress()

    assert looked(progress, partition(5), IDLE_LOOKS) is None
    assert looked(progress, partition(6), 1) == "records wait and are not folded: points 3 at 0"


def test_a_partition_that_moves_is_none() -> None:
    """However much still waits."""
    progress, one = Progress(), partition(1000)
    for offset in range(3 * IDLE_LOOKS):
        one.start = offset
        looked(progress, one, 1)

    assert progress.idle() is None


def test_a_partition_at_its_end_is_none() -> None:
    """Nothing waits."""
    assert looked(Progress(), partition(0)) is None


def test_one_that_was_given_away_is_forgotten() -> None:
    """Whoever owns it next begins anew."""
    progress = Progress()
    looked(progress, partition(5))
    commit(progress)
    progress.looked({})

    assert progress.idle() is None


def test_nothing_is_said_while_postgres_is_away() -> None:
    """Without a commit a partition stands still by right."""
    progress, one = Progress(), partition(5)
    looked(progress, one, IDLE_LOOKS)
    for _ in range(3 * IDLE_LOOKS):
        with pytest.raises(Unavailable), progress.attempt():
            raise Unavailable("postgres", "away")
        progress.looked({KEY: one})

    assert progress.idle() is None
    assert looked(progress, one, 1) is not None


def test_each_attempt_to_commit_is_a_symptom_of_its_own() -> None:
    """So that many failing ones, one after another, are not taken for one that hangs."""
    progress = Progress()
    said = [progress.endless()]
    for _ in range(2):
        with progress.attempt():
            said.append(progress.endless())
    said.append(progress.endless())

    assert [None, "attempt 1 to commit does not end", "attempt 2 to commit does not end", None] == said


@pytest.mark.parametrize(
    ("folds", "said"), [pytest.param(True, None, id="in order"), pytest.param(False, "at 0", id="mute")]
)
def test_a_pump_whose_client_fetches_nothing_says_so_within_a_minute(
    *, folds: bool, said: str | None
) -> None:
    """The loops of the pump itself, on a log that grows."""

    async def timeline(system: System) -> str | None:
        pump = await system.pump()
        jobs = [
            asyncio.create_task(pump.run_commits(lambda _: None)),
            asyncio.create_task(pump.run_watch(["points"])),
        ]
        for _ in range(60):
            await asyncio.sleep(1)
            system.append("a")
            if folds:
                system.read(pump)
        for job in jobs:
            job.cancel()
        return pump.progress.idle()

    found = run(timeline)

    assert (said is None) == (found is None)
    assert found is None or found.endswith(str(said))
