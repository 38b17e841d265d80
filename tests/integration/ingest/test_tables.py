"""Events in Postgres: every column arrives, each id once, and sessions go on where they stood."""

from datetime import UTC, datetime
from random import SystemRandom
from typing import Any

import pytest
from msgspec import Raw

from services.ingest.adapters.postgres import IDS, EventIds, EventTables
from services.ingest.adapters.stream import EventFold
from services.ingest.projections.registry import PROJECTIONS
from services.ingest.service import EventWork, judge
from shared.postgres import connections, maintenance
from shared.runtime.clock import now_ms
from shared.stream.processor import Key, Record
from shared.wire import events
from shared.wire.events import Event

pytestmark = pytest.mark.servers


class Table:
    """The tables of one tenant, and a partition of the log before them."""

    def __init__(self, pool: connections.Pool) -> None:
        self._pool = pool
        self._tables = EventTables(PROJECTIONS)
        self._offset = 0
        self.tenant_id = SystemRandom().randrange(1 << 40)
        self.now_ms = now_ms()

    def event(self, event_id: str, type_: str = "click", ago_ms: int = 0, **other: Any) -> Event:
        """An event of this tenant."""
        return Event(self.tenant_id, event_id, type_, self.now_ms - ago_ms, **other)

    def step(self, session: str, name: str, ago_ms: int) -> Event:
        """A step of a session, at this time."""
        body = Raw(b'{"funnel":"effect_creation"}')
        event_id = f"{session}.{name}.{ago_ms}"
        return self.event(event_id, "funnel_step", ago_ms, name=name, session_id=session, properties=body)

    async def judged(self, *batches: list[Event]) -> EventWork[Event]:
        """The checkpoint of a partition that folded these batches."""
        stream = EventFold()
        for batch in batches:
            self._offset += 1
            value = events.encode(events.EventBatch(self.now_ms, batch))
            stream.fold(Record(self._offset, self.now_ms, value))
        work = stream.checkpoint().work
        async with connections.connection(self._pool) as conn:
            await judge([work], EventIds(conn))
        return work

    async def save(self, *works: EventWork[Event]) -> None:
        """Write checkpoints in one transaction."""
        async with connections.connection(self._pool) as conn, conn.transaction():
            await self._tables.save(conn, {Key("events", at): work for at, work in enumerate(works)})

    async def take(self, *batches: list[Event]) -> None:
        """Fold, judge and write."""
        await self.save(await self.judged(*batches))

    async def rows(self, query: str) -> list[dict[str, Any]]:
        """Rows of a query about this tenant."""
        async with connections.connection(self._pool) as conn:
            return [dict(row) for row in await conn.fetch(query, self.tenant_id)]

    async def ids(self) -> list[str]:
        """The ids of its events, each as often as it is stored."""
        rows = await self.rows("SELECT event_id FROM event WHERE tenant_id = $1 ORDER BY event_id")
        return [row["event_id"] for row in rows]

    def at(self, ago_ms: int) -> datetime:
        """The instant so long ago."""
        return datetime.fromtimestamp((self.now_ms - ago_ms) / 1000, UTC)


@pytest.fixture
def table(pool: connections.Pool) -> Table:
    """A tenant that no other test knows."""
    return Table(pool)


async def test_every_column_arrives(table: Table) -> None:
    """Text of any alphabet, bodies of any shape, and nothing where nothing was sent."""
    body = b'{"a":[1,2.5,null,true,"\xce\xa9"],"b":{"c":-1e300}}'
    await table.take(
        [
            table.event(
                "Ω'; --",
                "view.x/y",
                1234,
                name="\U0001f600 \\N",
                session_id="s",
                user_id="u",
                properties=Raw(body),
            ),
            table.event("plain", ago_ms=1),
        ]
    )
    rows = await table.rows("SELECT *, properties::text AS body FROM event WHERE tenant_id = $1 ORDER BY ts")
    for row in rows:
        del row["properties"]

    assert [
        {
            "ts": table.at(1234), "received_at": table.at(0), "tenant_id": table.tenant_id, "event_id": "Ω'; --",
            "type": "view.x/y", "name": "\U0001f600 \\N", "session_id": "s", "user_id": "u",
            "body": f'{{"a": [1, 2.5, null, true, "Ω"], "b": {{"c": -1{"0" * 300}}}}}',
        },
        {
            "ts": table.at(1), "received_at": table.at(0), "tenant_id": table.tenant_id, "event_id": "plain",
            "type": "click", "name": "", "session_id": None, "user_id": None, "body": "{}",
        },
    ] == rows  # fmt: skip


async def test_repeats_are_not_stored_again(table: Table) -> None:
    """Neither within a record, nor from another, nor after a commit."""
    a, b, c = table.event("a"), table.event("b"), table.event("c")
    await table.take([a, b, a], [b])
    await table.take([b, c], [a])

    assert ["a", "b", "c"] == await table.ids()
    assert 3 == len(await table.rows("SELECT FROM event_id WHERE tenant_id = $1"))


async def test_one_id_in_two_sessions_is_stored_once(table: Table) -> None:
    """The owners of two partitions judged it new at the same time; the first to commit has it, the rest is kept."""
    mine = await table.judged([table.event("a"), table.event("b")])
    theirs = await table.judged([table.event("a"), table.event("c")])
    await table.save(mine)
    await table.save(theirs)

    assert ["a", "b", "c"] == await table.ids()


async def test_a_transaction_that_is_rolled_back_leaves_nothing(table: Table) -> None:
    """The same checkpoint is written the second time."""
    work = await table.judged([table.event("a")], [table.step("s", "effect_discovery", 5)])
    async with connections.connection(table._pool) as conn:
        begun = conn.transaction()
        await begun.start()
        await table._tables.save(conn, {Key("events", 0): work})
        await begun.rollback()
    await table.save(work)

    assert ["a", "s.effect_discovery.5"] == await table.ids()


async def test_a_large_checkpoint_is_written_in_bites(table: Table) -> None:
    """More ids than one statement takes, and more bytes than one stream."""
    count, body = 2 * IDS + 1, Raw(b'{"text":"' + b"x" * 200 + b'"}')
    batch = [table.event(f"e{number:06}", properties=body) for number in range(count)]
    await table.take(*(batch[begin : begin + 10_000] for begin in range(0, count, 10_000)))
    await table.take(batch[:100])

    assert [one.event_id for one in batch] == await table.ids()


async def test_a_session_goes_on_where_it_stood(table: Table) -> None:
    """Steps that come later, or late, are merged with those that are stored; other sessions stay apart."""
    await table.take(
        [table.step("s", "effect_viewing", 900), table.step("s", "image_upload", 800)],
        [table.step("other", "effect_discovery", 700)],
    )
    await table.take([table.step("s", "effect_discovery", 1000)], [table.step("s", "Effect Start", 850)])
    await table.take([table.step("s", "effect_discovery", 1000)])
    rows = await table.rows("SELECT * FROM funnel_entry WHERE tenant_id = $1 ORDER BY session_id DESC")
    shared = {"tenant_id": table.tenant_id, "funnel": "effect_creation", "out_of_order": 0}
    for row in rows:
        del row["updated_at"]

    assert [
        shared
        | {
            "session_id": "s", "first_at": table.at(1000), "entered_at": table.at(1000), "reached": 4,
            "reached_at": [table.at(ago) for ago in (1000, 900, 850, 800)],
            "step": [0, 1, 2, 3], "step_at": [table.at(ago) for ago in (1000, 900, 850, 800)],
        },
        shared
        | {
            "session_id": "other", "first_at": table.at(700), "entered_at": table.at(700), "reached": 1,
            "reached_at": [table.at(700)], "step": [0], "step_at": [table.at(700)],
        },
    ] == rows  # fmt: skip


async def test_steps_before_their_time_are_counted(table: Table) -> None:
    """A session that never entered has a row, no entry, and is found by its first step."""
    await table.take([table.step("s", "effect_viewing", 900), table.step("s", "effect_start", 800)])
    (row,) = await table.rows(
        "SELECT first_at, entered_at, reached, reached_at, out_of_order FROM funnel_entry WHERE tenant_id = $1"
    )

    assert {
        "first_at": table.at(900), "entered_at": None, "reached": 0, "reached_at": [], "out_of_order": 2,
    } == row  # fmt: skip


async def test_maintenance_forgets_old_sessions(table: Table, pool: connections.Pool) -> None:
    """Ninety days after their last step, and no others; tomorrow's partitions are there."""
    await table.take([table.step("old", "effect_discovery", 5), table.step("new", "effect_discovery", 5)])
    async with connections.connection(pool) as conn:
        await conn.execute(
            "UPDATE funnel_entry SET updated_at = now() - interval '91 days' "
            "WHERE tenant_id = $1 AND session_id = 'old'",
            table.tenant_id,
        )
    await maintenance.keep(pool, table._tables.maintenance)
    rows = await table.rows("SELECT session_id FROM funnel_entry WHERE tenant_id = $1")
    tomorrow = f"{table.at(-86_400_000):%Y%m%dt0000}"
    made = await table.rows(
        f"SELECT to_regclass('event_{tomorrow}') AS a, to_regclass('event_id_{tomorrow}') AS b, $1::bigint AS c"
    )

    assert [{"session_id": "new"}] == rows
    assert None not in made[0].values()
