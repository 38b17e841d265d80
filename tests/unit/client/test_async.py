"""The client for asyncio: no thread, and whatever is cancelled, each item is sent once, or stays in the spool."""

import asyncio
import threading
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from tests.support.http.receiver import Receiver, Reply, receiving
from tests.support.wait import until
from tidegauge_client import AsyncTelemetry, Stats, Telemetry

AWAY = Reply(503, {"outcome": "not_accepted"})
TELEMETRY, EVENTS = "/v1/telemetry", "/v1/events"


@pytest.fixture
def make(receiver: Receiver) -> Callable[..., AsyncTelemetry]:
    """Makes clients that repeat quickly and send only when told to, unless a test wants otherwise."""

    def made(**settings: Any) -> AsyncTelemetry:
        chosen = {"batch_after_s": 60.0, "retry_first_s": 0.01, "retry_longest_s": 0.02} | settings
        return AsyncTelemetry(receiver.url, "key", **chosen)

    return made


async def test_a_loop_sends_without_a_thread(make: Callable[..., AsyncTelemetry], receiver: Receiver) -> None:
    """Points and events, in batches, over a connection each; what was handed over before the loop too."""
    telemetry = make(batch_items=100)
    await asyncio.to_thread(telemetry.point, "load", 0)
    before = threading.active_count()
    async with telemetry:
        for value in range(1, 250):
            telemetry.point("load", value)
        telemetry.event("click")
        assert await telemetry.flush(30)
        telemetry.increment("orders")
        assert before + 2 >= threading.active_count()  # the receiver has one for each connection
    telemetry.point("load", 7)

    assert list(range(250)) == [point["value"] for point in receiver.points if point["name"] == "load"]
    assert [100, 100, 50, 1] == [len(request.items) for request in receiver.at(TELEMETRY)]
    assert [1, 1] == [len({request.peer for request in receiver.at(path)}) for path in (TELEMETRY, EVENTS)]
    assert Stats(sent=252, dropped={"closed": 1}) == telemetry.stats


@pytest.mark.parametrize(
    "failure",
    [
        pytest.param(Reply(429, {}), id="over the allowance"),
        pytest.param(Reply(503, {}), id="no ack in time"),
        pytest.param(Reply(0, hang_up=True), id="hangs up"),
    ],
)
async def test_a_batch_keeps_its_id_over_repeats(
    make: Callable[..., AsyncTelemetry], receiver: Receiver, failure: Reply
) -> None:
    """As with threads."""
    receiver.answer(TELEMETRY, *[failure] * 3)
    async with make() as telemetry:
        telemetry.point("load", 1)
        assert await telemetry.flush(30)
        telemetry.point("load", 2)

    ids = [request.batch_id for request in receiver.requests]
    assert (1, 2, 5) == (len(set(ids[:4])), len(set(ids)), len(ids))
    assert 2 == telemetry.stats.sent


async def test_every_kind_of_answer_is_followed(
    make: Callable[..., AsyncTelemetry], receiver: Receiver
) -> None:
    """Halves of what is too large, rejections, and a refusal."""
    rejected = {"accepted": 0, "rejected": [{"index": 0, "code": "c", "message": "m"}]}
    receiver.answer(TELEMETRY, Reply(413, {}), Reply(202, rejected), Reply(202), Reply(401, {}))
    found: list[Any] = []
    async with make(on_rejected=found.append) as telemetry:
        for value in range(4):
            telemetry.point("load", value)
        assert await telemetry.flush(30)
        telemetry.point("load", 4)

    assert [0.0] == [rejection.item["value"] for rejection in found]
    assert Stats(sent=3, rejected=1, dropped={"refused": 1}) == telemetry.stats


async def test_the_loop_goes_on_while_a_gateway_takes_its_time(
    make: Callable[..., AsyncTelemetry], receiver: Receiver
) -> None:
    """And a flush that is cancelled meanwhile loses nothing."""
    slow = threading.Event()
    receiver.answer(TELEMETRY, Reply(202, release=slow))
    async with make() as telemetry:
        telemetry.point("load", 1)
        flushing = asyncio.create_task(telemetry.flush(30))

        async def arrived() -> bool:
            return receiver.arrived.is_set()

        await until(arrived, "the request has arrived")
        flushing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await flushing
        telemetry.point("load", 2)
        slow.set()

    assert [1.0, 2.0] == [point["value"] for point in receiver.points]
    assert Stats(sent=2) == telemetry.stats


async def steps(work: Awaitable[object], limit: int) -> bool:
    """Cancel work after so many steps of the loop; whether it was still at it."""
    task = asyncio.ensure_future(work)
    for _ in range(limit):
        if task.done():
            break
        await asyncio.sleep(0)
    cancelled = task.cancel()
    await asyncio.sleep(0)
    task.cancel()  # while the first is being followed
    with suppress(asyncio.CancelledError):
        await task
    return cancelled


@pytest.mark.parametrize(
    "reply", [Reply(202), AWAY, Reply(0, hang_up=True)], ids=["taken", "away", "hung up"]
)
def test_a_cancellation_at_any_step_loses_nothing(tmp_path: Path, reply: Reply) -> None:
    """The block that uses the client is cancelled, twice, after ever more steps; what was not sent is in the spool."""

    async def use(url: str, spool: Path) -> None:
        settings: dict[str, Any] = {"retry_first_s": 0.0, "retry_longest_s": 0.001, "batch_items": 3}
        async with AsyncTelemetry(url, "key", spool=spool, **settings) as telemetry:
            for value in range(10):
                telemetry.point("load", value)
                await asyncio.sleep(0)
            await telemetry.save(30)
            await telemetry.flush(0.05)

    async def cancelled(url: str, spool: Path, limit: int) -> bool:
        return await steps(use(url, spool), limit)

    with receiving() as receiver:
        for limit in (*range(1, 40), 60, 100, 200, 400):
            spool = tmp_path / str(limit)
            receiver.answer(TELEMETRY, *[reply] * 5)
            asyncio.run(cancelled(receiver.url, spool, limit))
            receiver.script[TELEMETRY].clear()
            asyncio.run(_emptied(receiver.url, spool))
            taken = {request.batch_id: request for request in receiver.requests}
            values = Counter(int(point["value"]) for each in taken.values() for point in each.items)
            assert dict.fromkeys(range(len(values)), 1) == values, limit
            receiver.requests.clear()


async def _emptied(url: str, spool: Path) -> None:
    """Send what is left."""
    async with AsyncTelemetry(url, "key", spool=spool) as telemetry:

        async def empty() -> bool:
            return telemetry.stats.queued == 0 and not list(spool.glob("*/*.batch"))  # noqa: ASYNC240  a few files

        await until(empty, "nothing is left in the spool")
    assert {} == telemetry.stats.dropped


async def test_a_loop_that_ends_without_a_close_leaves_all_in_the_spool(
    receiver: Receiver, tmp_path: Path
) -> None:
    """Its tasks are cancelled, and save what waits; a client with threads sends it."""

    async def forgets() -> None:
        telemetry = AsyncTelemetry(receiver.url, "key", spool=tmp_path, batch_after_s=60.0)
        for value in range(1200):
            telemetry.point("load", value)
        await asyncio.sleep(0)
        kept.append(telemetry)

    kept: list[AsyncTelemetry] = []
    receiver.answer(TELEMETRY, *[AWAY] * 1000)
    await asyncio.to_thread(asyncio.run, forgets())
    receiver.script[TELEMETRY].clear()
    receiver.requests.clear()
    assert kept.pop().stats.stored == 1200
    for folder in tmp_path.iterdir():  # noqa: ASYNC240  a few files
        (folder / "lock").unlink()
        (folder / "lock").touch()  # as if the process had ended

    with Telemetry(receiver.url, "key", spool=tmp_path) as telemetry:

        async def sent() -> bool:
            return telemetry.stats.sent == 1200

        await until(sent, "all of it is sent")
    assert list(range(1200)) == [point["value"] for point in receiver.points]
