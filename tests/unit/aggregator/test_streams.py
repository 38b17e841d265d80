"""What tells streams of a series apart, from the message through the fold and its checkpoints."""

from collections.abc import Sequence

import numpy as np
import pytest

from services.aggregator.adapters import snapshot
from services.aggregator.adapters.stream import PointFold
from services.aggregator.domain.repeats import Repeats
from services.aggregator.domain.work import RollupWork
from shared.model.point import Points
from shared.model.series import Series
from shared.model.window import BASE_MS
from shared.stream.processor import Key, Record, Stored
from shared.wire import envelope
from shared.wire.series import pack
from shared.wire.versions import NEW, OLD

T0 = 1_732_252_800_000
KEY = Key("points", 0)
COUNTER = pack(Series(7, "orders", "cumulative", "1", (("service", "shop"),)))
INSTANCES = ((7, 10.0, 1.0), ((1 << 64) - 1, 500.0, 0.25))
"""Stream id, first total and growth of each instance; both began at one instant."""


class Worker:
    """One that writes a version, and begins with what another has left."""

    def __init__(self, version: int, before: "Worker | None" = None) -> None:
        self.version = version
        stored, whole = before.stored if before else (Stored(1, 0, None, b"", None), {})
        self.fold = PointFold(KEY, stored, whole, Repeats(), version)

    @property
    def stored(self) -> tuple[Stored, dict[int, bytes]]:
        """What its checkpoint leaves."""
        found = self.fold.checkpoint()
        whole = dict(snapshot.whole(KEY, found.work, self.version))
        return Stored(1, self.fold.next_offset, found.watermark_ms, found.seen, found.snapshot), whole

    def come(self, offset: int, at_ms: int, streams: Sequence[int], totals: Sequence[float]) -> None:
        """One message of version 5, all of one instant."""
        rows = len(totals)
        points = Points(
            np.zeros(rows, np.uint16), np.full(rows, T0 + at_ms), np.array(totals),
            start_ms=np.full(rows, T0 - 60_000), stream=np.array(streams, np.uint64),
        )  # fmt: skip
        batch = envelope.PointBatch("g", offset + 1, T0 + at_ms, [COUNTER], points, [])
        self.fold.fold(Record(offset, T0 + at_ms, envelope.encode(batch, NEW)))

    def closed(self, offset: int, at_ms: int) -> RollupWork:
        """What is closed when time has gone on."""
        tick = envelope.tick("g", offset + 1, T0 + at_ms)
        self.fold.fold(Record(offset, T0 + at_ms, tick))
        return self.fold.checkpoint().work


@pytest.mark.parametrize("handed_over", [False, True])
def test_two_instances_with_equal_labels_add_the_sum_of_their_growths(handed_over: bool) -> None:
    """R26: one series and one start; a successor goes on from the bytes of the snapshot."""
    worker = Worker(NEW)
    for offset in range(8):
        if handed_over and offset == 4:
            worker = Worker(NEW, worker)
        stream, first, grows = INSTANCES[offset % 2]
        worker.come(offset, 1_000 * offset, [stream], [first + grows * (offset // 2)])

    (row,) = worker.closed(8, 30_000).closed[BASE_MS].sum.tolist()

    assert 10.0 + 500.0 + 3 * 1.25 == row


def test_a_worker_that_writes_version_4_tells_no_streams_apart() -> None:
    """Its snapshots could not; two instances that share a start are contested, as without ids."""
    worker = Worker(OLD)
    for offset in range(8):
        stream, first, grows = INSTANCES[offset % 2]
        worker.come(offset, 1_000 * offset, [stream], [first + grows * (offset // 2)])

    assert [COUNTER] == worker.closed(8, 30_000).contested


def test_a_worker_of_version_4_goes_on_where_one_of_version_5_stood() -> None:
    """A fleet that is rolled back: with one instance nothing is lost, and nothing counts twice."""
    worker = Worker(NEW)
    worker.come(0, 1_000, [7], [10.0])
    worker = Worker(OLD, worker)
    worker.come(1, 2_000, [7], [12.0])
    worker = Worker(NEW, worker)
    worker.come(2, 3_000, [7], [15.0])
    worker.come(3, 4_000, [7], [16.0])

    (row,) = worker.closed(4, 30_000).closed[BASE_MS].sum.tolist()

    assert 10.0 + 2.0 + 1.0 == row
