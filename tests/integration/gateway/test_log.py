"""What the gateway writes to the log when nobody posts, and how it ends."""

import asyncio
from collections import Counter, defaultdict

import pytest

from shared.runtime.clock import now_ms
from tests.support.http.gateway import PARTITIONS, Gateway, points
from tests.support.wait import until

pytestmark = pytest.mark.servers


async def test_idle_partitions_get_ticks_and_busy_ones_points_in_order(gateway: Gateway) -> None:
    """Every partition moves on each second, and the sequence of a producer only grows."""
    began_ms = now_ms()
    await gateway.post(points(range(100)))

    async def ticked() -> bool:
        batches = [batch for _, batch in await gateway.batches() if batch.received_at_ms >= began_ms]
        return len([batch for batch in batches if not len(batch.points)]) >= 2 * PARTITIONS

    await until(ticked, "two ticks a partition", 10)
    seqs = defaultdict(list)
    heard = Counter[int]()
    for partition, batch in await gateway.batches():
        seqs[partition, batch.producer].append(batch.seq)
        if batch.received_at_ms >= began_ms:
            heard[partition] += 1

    assert [True] * PARTITIONS == [count >= 2 for count in heard.values()]
    assert all(found == list(range(1, len(found) + 1)) for found in seqs.values())


async def test_sigterm_finishes_what_was_begun(leaving: Gateway) -> None:
    """Every request gets its answer, what was accepted is in the log, and the exit is tidy."""
    posting = [asyncio.create_task(leaving.post(points([at]))) for at in range(20)]
    done, _ = await asyncio.wait(posting, return_when=asyncio.FIRST_COMPLETED)

    code = await asyncio.to_thread(leaving.intake.stop)
    answers = await asyncio.gather(*posting, return_exceptions=True)
    accepted = [at for at, answer in enumerate(answers) if getattr(answer, "status_code", 0) == 202]

    assert (0, True) == (code, bool(done))
    assert accepted
    assert set(map(float, accepted)) <= set(await leaving.values())
