"""Upgrade and roll back on real servers: workers of two builds and versions hand partitions over, every sum exact."""

import random
import shutil
import signal
import sys
from collections.abc import AsyncIterator, Iterator
from itertools import chain
from pathlib import Path

import msgspec
import numpy as np
import pytest
import pytest_asyncio
import redis.asyncio as redis

from deploy.dead_letters import replay
from deploy.local.folder import ROOT
from deploy.local.stack import Stack
from deploy.postgres.dead_letters import Choice
from shared.model.point import Points
from shared.model.series import Series
from shared.runtime.clock import now_ms
from shared.runtime.kafka import Message, Sender
from shared.wire import envelope
from shared.wire.envelope import Part, PointBatch
from shared.wire.series import pack
from shared.wire.stored import live
from shared.wire.versions import NEW, OLD
from tests.support.load.points import WINDOW_MS, PointLoad
from tests.support.processes.builds import THIS, Build, checked_out
from tests.support.processes.harness import Harness, Worker, under_load
from tests.support.wait import until

FIRST = "73920a5"
"""The build whose formats version 4 is."""

LATER = 9
"""A version of the future."""

STOPPED = 2
"""The partition that gets a message from there."""

TO_AND_FRO = ((NEW, signal.SIGKILL), (OLD, signal.SIGTERM), (NEW, signal.SIGTERM), (OLD, signal.SIGKILL))
"""What the worker that joins writes, and how the one before it leaves."""

pytestmark = pytest.mark.timeout(720)


@pytest.fixture(scope="module")
def first() -> Iterator[Build]:
    """The first build."""
    with checked_out(FIRST) as build:
        yield build


@pytest.fixture(scope="module")
def later(tmp_path_factory: pytest.TempPathFactory) -> Build:
    """A build of the future: this one, but what it calls version 5 is version 9."""
    tree = tmp_path_factory.mktemp("later")
    for folder in ("services", "shared", "deploy"):
        shutil.copytree(ROOT / folder, tree / folder, ignore=shutil.ignore_patterns("__pycache__"))
    versions = tree / "shared/wire/versions"
    for path, old, new in (
        (versions / "v5.py", "= 5", f"= {LATER}"),
        (versions / "v5.py", "tag=5", f"tag={LATER}"),
        (versions / "__init__.py", "Literal[4, 5]", f"Literal[4, {LATER}]"),
        (tree / "shared/wire/dead_letter.py", "5: 5", f"{LATER}: {LATER}"),
    ):
        text = path.read_text()
        assert old in text, f"{path.name} says {old} no longer"
        path.write_text(text.replace(old, new))
    return Build("", tree, sys.executable)


def made(stack: Stack, folder: Path, runtime: str) -> Harness:
    """A harness under a prefix of its own."""
    tenant_id = random.SystemRandom().randrange(1 << 40)
    return Harness(stack.kafka, stack.postgres, stack.redis, runtime, f"t{tenant_id}.", tenant_id, folder)


@pytest_asyncio.fixture(params=["aiokafka", "faust"])
async def harness(request: pytest.FixtureRequest, stack: Stack, tmp_path: Path) -> AsyncIterator[Harness]:
    """A system of its own on each runtime."""
    found = made(stack, tmp_path, request.param)
    await found.create()
    yield found
    await found.remove()


def writing(version: int) -> dict[str, str]:
    """The setting of a worker that writes this version."""
    return {"TIDEGAUGE_WRITE_VERSION": str(version)}


async def follow(harness: Harness, before: Worker, after: Worker, how: signal.Signals) -> Worker:
    """Let a worker join, both work, and the first one leave; the second owns all and has caught up."""
    await harness.owned_by(before, after)
    await harness.caught_up()
    before.signal(how)
    await harness.owned_by(after)
    await harness.caught_up()
    return after


@pytest.mark.parametrize("harness", ["aiokafka"], indirect=True)
async def test_a_fleet_is_upgraded_and_rolled_back(harness: Harness, first: Build) -> None:
    """From the first build to this one, to the newer version, and all the way back, under load and kills."""
    async with harness.load(1) as load:
        async with under_load(load):
            worker = await harness.worker(build=first)
            await harness.owned_by(worker)
            for version, build, how in (
                (OLD, THIS, signal.SIGKILL),
                (OLD, first, signal.SIGTERM),
                (OLD, THIS, signal.SIGTERM),
                (NEW, THIS, signal.SIGKILL),
                (OLD, THIS, signal.SIGKILL),
                (OLD, first, signal.SIGTERM),
            ):
                written(load, version)
                joining = await harness.worker(build=build, settings=writing(version))
                worker = await follow(harness, worker, joining, how)
        await harness.exact(load)

    assert not await harness.dead_letters()


@pytest.mark.parametrize("harness", ["faust"], indirect=True)
async def test_workers_of_both_versions_hand_over_in_both_directions(harness: Harness) -> None:
    """Messages of both versions lie in the log meanwhile; what one wrote the other reads, killed or not."""
    async with harness.load(2) as load:
        written(load, OLD, NEW)
        async with under_load(load):
            worker = await harness.worker(settings=writing(OLD))
            await harness.owned_by(worker)
            for version, how in TO_AND_FRO:
                worker = await follow(harness, worker, await harness.worker(settings=writing(version)), how)
        await harness.exact(load)

    assert not await harness.dead_letters()


def written(load: PointLoad, *versions: int) -> None:
    """Let the messages of the load be of these versions in turn."""
    load.encode = lambda batch, _: envelope.encode(batch, versions[batch.seq % len(versions)])


async def test_what_is_from_the_future_waits_for_the_upgrade(harness: Harness, later: Build) -> None:
    """A message is a dead letter until a later build replays it, a checkpoint stops its partition; the worker lives."""
    async with harness.load(3) as load:
        await load.rounds(5)
        load.encode = from_the_future
        await load.rounds(5)
        older = await harness.worker()
        await harness.caught_up()
        rows = await harness.sql("SELECT * FROM dead_letter WHERE topic = $1", harness.topic)
        assert {(STOPPED, "unsupported_version")} == {(row["partition"], row["code"]) for row in rows}
        assert f"points of version {LATER}; this build reads 2 and 5: upgrade" in rows[0]["reason"]
        newer = await harness.worker(build=later, settings=writing(LATER))
        older.signal(signal.SIGKILL)
        await harness.owned_by(newer)
        assert 0 < await replay(harness.postgres, harness.kafka, Choice(topic=harness.topic))
        await load.rounds(5)
        await harness.caught_up()

        newer.signal(signal.SIGTERM)
        older = await harness.worker()
        assert f"of version {LATER}; this build reads 4 and 5" in await reason(harness, 0)
        stood, before = await offsets(harness), older.exits[:]
        newer = await harness.worker(build=later, settings=writing(LATER))
        await harness.owned_by(older, newer)
        assert (stood.keys(), before) == ((await offsets(harness)).keys(), [])
        older.signal(signal.SIGKILL)
        await load.rounds(5)
        await harness.exact(load)

    assert len(rows) == len(await harness.dead_letters())
    assert not await harness.sql(
        "SELECT FROM breaker WHERE topic = $1 AND stopped_at IS NOT NULL", harness.topic
    )


def from_the_future(batch: PointBatch, partition: int) -> bytes:
    """In one partition as a later build writes it."""
    if partition != STOPPED:
        return envelope.encode(batch)
    return msgspec.msgpack.encode(msgspec.msgpack.decode(envelope.encode(batch, NEW)) | {"v": LATER})


async def reason(harness: Harness, partition: int) -> str:
    """Wait until a partition is stopped; what is told of it."""
    found: list[str] = []

    async def reported() -> bool:
        query = "SELECT reason FROM breaker WHERE (topic, partition) = ($1, $2) AND stopped_at IS NOT NULL"
        found[:] = [row["reason"] for row in await harness.sql(query, harness.topic, partition)]
        return bool(found)

    await until(reported, "the partition is stopped", 60)
    return found[0]


async def offsets(harness: Harness) -> dict[int, int]:
    """Where each partition stands."""
    rows = await harness.sql(
        "SELECT partition, next_offset FROM partition_state WHERE topic = $1", harness.topic
    )
    return {row["partition"]: row["next_offset"] for row in rows}


async def test_what_the_first_build_stored_is_read(stack: Stack, tmp_path: Path, first: Build) -> None:
    """Running totals go on, a batch that has counted is a repeat, its live windows are shown, all to the number."""
    harness = made(stack, tmp_path, "aiokafka")
    await harness.create()
    try:
        clock_ms = now_ms() // WINDOW_MS * WINDOW_MS - 60 * WINDOW_MS
        before = await harness.worker(build=first)
        await publish(harness, batch(harness, 1, clock_ms, totals=(100.0, 164.0), body=1))
        await harness.caught_up()
        shown = await live_windows(harness)
        before.signal(signal.SIGTERM)
        assert 0 == await before.ended(15)

        await harness.worker(settings=writing(NEW))
        await publish(harness, batch(harness, 2, clock_ms + 5, totals=(200.0, 264.0), body=1))
        await publish(harness, batch(harness, 3, clock_ms + 4 * WINDOW_MS, totals=(300.0, 364.0), body=2))
        await publish(harness, PointBatch("a", 9, clock_ms + 9 * WINDOW_MS, [], EMPTY, []))
        await harness.caught_up()
        sums = await harness.sql(
            "SELECT metric, sum(sum) AS sum FROM rollup_10s JOIN series USING (series_id) WHERE tenant_id = $1 "
            "GROUP BY metric ORDER BY metric",
            harness.tenant_id,
        )
    finally:
        await harness.remove()

    assert {"load", "total"} <= shown
    assert {"load": 2.0, "total": 264.0} == {row["metric"]: row["sum"] for row in sums}


EMPTY = Points(np.zeros(0, np.uint16), np.zeros(0, np.int64), np.zeros(0))


def batch(harness: Harness, seq: int, at_ms: int, *, totals: tuple[float, float], body: int) -> PointBatch:
    """Two running totals, and a point of a batch with an id: of one body it counts once."""
    kinds = {"load": "gauge", "total": "cumulative"}
    series = [pack(Series(harness.tenant_id, name, kind, "", ())) for name, kind in kinds.items()]
    points = Points(
        np.array([0, 1, 1], np.uint16), at_ms + np.arange(3), np.array([1.0, *totals]),
        start_ms=np.array([0, 1000, 1000]),
    )  # fmt: skip
    return PointBatch("a", seq, at_ms, series, points, [Part(bytes([body]) * 16, body, 0, 1)])


async def publish(harness: Harness, message: PointBatch) -> None:
    """Put it where its first series belongs, a total's partition aside: one partition owns both here."""
    sender = Sender(harness.kafka, "test")
    await sender.send([Message(harness.topic, 0, envelope.encode(message))])
    await sender.close()


async def live_windows(harness: Harness) -> set[str]:
    """Metrics of the live windows that Redis holds, once it does."""
    client = redis.Redis.from_url(harness.redis)
    found: set[str] = set()

    async def fact() -> bool:
        keys = [key async for key in client.scan_iter(match=f"{harness.prefix}live:*")]
        of_all = [key for key in keys if key.count(b":") == 2]
        hashes = [await client.hvals(key) for key in keys if key not in of_all]
        values = [*(await client.mget(of_all) if of_all else []), *chain(*hashes)]
        for value in filter(None, values):
            found.update(msgspec.msgpack.decode(packed)[1] for packed in live.decode(value).series)
        return bool(found)

    try:
        await until(fact, "live windows are shown")
    finally:
        await client.aclose()
    return found
