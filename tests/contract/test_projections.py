"""A third projection is one module: its rows and its points count exactly once, as those of the first two do.

The pump, ownership, tables and the aggregator's fold are the real ones; between them stands a log in memory, so that a
crash comes where the test wants it.
"""

import random
from collections import Counter
from collections.abc import AsyncIterator, Sequence

import pytest
import pytest_asyncio
from msgspec import Raw

from deploy.local.stack import Stack
from services.aggregator.adapters import stream as aggregator
from services.aggregator.domain.repeats import Repeats
from services.ingest.adapters.kafka import DerivedTopic
from services.ingest.adapters.postgres import EventTables
from services.ingest.adapters.stream import Ingestion
from services.ingest.projections.registry import PROJECTIONS
from shared.errors import Unavailable
from shared.model.window import BASE_MS
from shared.postgres import connections
from shared.runtime.clock import now_ms
from shared.runtime.kafka import Message
from shared.stream.ownership import Ownership
from shared.stream.processor import Key, Record, Stored
from shared.stream.pump import Pump
from shared.wire import envelope, events
from shared.wire.events import Event
from shared.wire.series import unpack
from tests.support.logs import FakeLog
from tests.support.uploads import TABLE, Uploads

pytestmark = pytest.mark.servers

THREE = (*PROJECTIONS, Uploads())
PARTITIONS = 3
RECORDS = 40


class Log:
    """The topic of points in memory: what was sent stays sent, whatever becomes of the sender."""

    def __init__(self) -> None:
        self.sent: list[Message] = []
        self.lost = False
        """Whether the answer to the next messages is lost, after they are in the log."""

    async def partitions(self, topic: str) -> int:
        """How many there are."""
        return PARTITIONS

    async def send(self, messages: Sequence[Message]) -> None:
        """Append; raises `Unavailable` when the answer is lost."""
        self.sent += messages
        if self.lost:
            raise Unavailable("kafka", "the answer was lost")


class Workers:
    """Processes of ingest that own one partition of events, one after the other."""

    def __init__(self, pool: connections.Pool, tenant_id: int) -> None:
        self._pool = pool
        self.tenant_id = tenant_id
        self.log = Log()
        self.key = Key(f"events-{tenant_id}", 0)

    async def pump(self, name: str) -> Pump[object]:
        """A process that has just acquired the partition."""
        topic = DerivedTopic(self.log, THREE)  # type: ignore[arg-type] # as much of a sender as it needs
        made = Pump(Ingestion(EventTables(THREE), topic), Ownership(self._pool, name), FakeLog())
        made.install(await made.acquire([self.key]))
        return made  # type: ignore[return-value]

    async def rows(self, query: str) -> list[tuple[object, ...]]:
        """Rows of a query about this tenant."""
        async with connections.connection(self._pool) as conn:
            return [tuple(row) for row in await conn.fetch(query, self.tenant_id)]


@pytest_asyncio.fixture
async def workers(stack: Stack) -> AsyncIterator[Workers]:
    """Workers of a tenant that no other test knows."""
    pool = await connections.pool(stack.postgres, 4)
    async with connections.connection(pool) as conn:
        await conn.execute(TABLE)
    yield Workers(pool, random.SystemRandom().randrange(1 << 40))
    async with connections.connection(pool) as conn:
        await conn.execute("DROP TABLE upload")
    await pool.close()


def records(chance: random.Random, tenant_id: int, at_ms: int) -> list[Record]:
    """A log in which each event comes several times, uploads among them."""
    found = []
    for offset in range(RECORDS):
        batch = [_event(tenant_id, chance.randrange(60), at_ms) for _ in range(chance.randrange(1, 8))]
        found.append(Record(offset, at_ms, events.encode(_batch(batch, at_ms))))
    return found


def _batch(batch: list[Event], at_ms: int) -> events.EventBatch:
    return events.EventBatch(at_ms, batch)


def _event(tenant_id: int, number: int, at_ms: int) -> Event:
    if number % 2:
        return Event(tenant_id, f"e{number}", "click", at_ms)
    body = Raw(b'{"ms":%d,"files":%d}' % (4**number % 1009, number % 5 + 1))
    return Event(tenant_id, f"e{number}", "upload", at_ms, properties=body)


def counted(sent: Sequence[Message]) -> dict[str, tuple[float, float]]:
    """Count and sum of each metric, as the aggregator folds what was sent."""
    found: Counter[str] = Counter()
    sums: Counter[str] = Counter()
    for partition in range(PARTITIONS):
        fold = aggregator.PointFold(Key("points", partition), Stored(1, 0, None, b"", None), {}, Repeats())
        mine = [message.value for message in sent if message.partition == partition]
        late = now_ms() + 4 * BASE_MS
        for offset, value in enumerate(mine):
            fold.fold(Record(offset, now_ms(), value))
        fold.fold(Record(len(mine), late, envelope.tick("clock", 1, late)))
        work = fold.checkpoint().work
        if BASE_MS in work.closed:
            rows = work.closed[BASE_MS]
            for slot, count, total in zip(
                rows.slot.tolist(), rows.count.tolist(), rows.sum.tolist(), strict=True
            ):
                metric = unpack(work.series[slot]).metric
                found[metric] += count
                sums[metric] += total
    return {metric: (found[metric], sums[metric]) for metric in found}


@pytest.mark.parametrize("seed", range(4))
async def test_a_third_projection_counts_exactly_once(workers: Workers, seed: int) -> None:
    """Workers die after they have published, wake as zombies, and read the log again; repeats derive nothing."""
    chance, at_ms = random.Random(seed), now_ms()
    log, at, zombies = records(chance, workers.tenant_id, at_ms), 0, list[Pump[object]]()
    pump = await workers.pump("first")
    while at < len(log):
        end = min(len(log), at + chance.randrange(1, 8))
        assert pump.take(workers.key, log[at:end])
        workers.log.lost = chance.random() < 0.4
        try:
            await pump.commit()
            at = end
        except Unavailable:
            workers.log.lost = False
            zombies.append(pump)
            pump = await workers.pump(f"successor of {len(zombies)}")
            if chance.random() < 0.5:
                assert {} == await zombies[-1].commit()

    sent = {event.event_id: event for record in log for event in events.decode(record.value, at_ms).events}
    weights = {one: Uploads().derive([event]) for one, event in sent.items() if event.type == "upload"}
    points = [each.points([0], [0]) for each in weights.values() if each]
    files = sum(float(one.weight[0]) if one.weight is not None else 1.0 for one in points)
    total = sum(
        float(one.value[0]) * (float(one.weight[0]) if one.weight is not None else 1.0) for one in points
    )
    assert zombies, "nobody died"
    assert sorted(weights) == [
        row[0]
        for row in await workers.rows("SELECT event_id FROM upload WHERE tenant_id = $1 ORDER BY event_id")
    ]
    assert sorted(sent) == [
        row[0]
        for row in await workers.rows("SELECT event_id FROM event WHERE tenant_id = $1 ORDER BY event_id")
    ]
    assert {"uploads.ms": (files, total), "events.count": (len(sent), len(sent))} == counted(workers.log.sent)
