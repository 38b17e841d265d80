"""What a commit asks of Postgres touches the rows that it writes, and none that others have stored."""

from functools import partial

import numpy as np
import pytest
from msgspec import Raw

from services.aggregator.adapters.groups import GroupTables
from services.aggregator.adapters.ledger import LedgerWatch
from services.aggregator.adapters.postgres import RollupTables
from services.aggregator.adapters.repeats import MAINTENANCE as BATCH_MAINTENANCE
from services.aggregator.adapters.repeats import BatchIds
from services.aggregator.domain.partition_series import SeriesNames
from services.aggregator.domain.repeats import Fresh
from services.aggregator.domain.windows.tiers import WRITTEN_MS
from services.aggregator.service import Arrival, PartitionFold
from services.alerts.dispatch.adapters.by_hand import MAINTENANCE as NOTE_MAINTENANCE
from services.alerts.dispatch.adapters.groups import GroupedNotifications
from services.alerts.dispatch.adapters.notifications import MAINTENANCE as NOTIFICATION_MAINTENANCE
from services.alerts.dispatch.adapters.notifications import Notifications
from services.alerts.dispatch.adapters.outbox import AlertOutbox
from services.alerts.dispatch.adapters.receivers.webhook import Webhook
from services.alerts.dispatch.adapters.reconciler import Reconciler
from services.alerts.dispatch.ports import DELIVERED
from services.alerts.evaluation.adapters.history import HistoryTables
from services.alerts.evaluation.adapters.postgres import MAINTENANCE as ALERT_MAINTENANCE
from services.alerts.evaluation.adapters.postgres import AlertTables
from services.ingest.adapters.postgres import EventIds, EventTables
from services.ingest.adapters.stream import EventFold
from services.ingest.projections.registry import PROJECTIONS
from services.ingest.service import judge
from shared.alerts.silences.tables import MAINTENANCE as SILENCE_MAINTENANCE
from shared.model.point import Points
from shared.model.series import Series
from shared.postgres import maintenance, planning
from shared.postgres.connections import Connection, Pool, connection
from shared.prepared.label_sets import LabelSets
from shared.runtime.clock import now_ms
from shared.runtime.kafka import Sender
from shared.stream.ownership import Ownership
from shared.stream.processor import Checkpoint, Cut, DeadLetter, Key, Record, Stored
from shared.wire import events
from shared.wire.series import checked, kind_of, pack, series_id, tenant_of
from tests.support.alerting import closed, partition, rule, tick
from tests.support.plans import Plans, explaining

pytestmark = pytest.mark.servers

KEYS = [Key("topic 7", number) for number in range(12)]


async def nothing(_: Connection, __: object) -> None:
    """Restores and writes nothing beside the checkpoints."""


async def test_partitions_are_acquired_by_their_keys(pool: Pool, plans: Plans) -> None:
    """Their rows, their breakers and the dead letters shortly before them; nothing of other partitions."""
    stored, _ = await Ownership(pool, "me").acquire(KEYS, nothing)

    assert set(KEYS) == set(stored)
    assert ({"partition_state_pkey", "dead_letter_pkey"}, set()) == (plans.indexes, plans.read_whole)
    assert plans.rows_of("dead_letter") == 12 * 20


async def test_checkpoints_move_by_their_keys(pool: Pool, plans: Plans) -> None:
    """So does a refused one, which is then looked for once more, and dead letters are added."""
    cuts = [
        Cut(
            key,
            1,
            1000 + (key.partition == 3),
            2000,
            Checkpoint(None, 0, b"", None),
            [DeadLetter(1500, "bad", "", b"")],
        )
        for key in KEYS
    ]

    outcome = await Ownership(pool, "me").commit(cuts, nothing)

    assert {KEYS[3]} == outcome.fenced
    assert ({"partition_state_pkey"}, set()) == (plans.indexes, plans.read_whole)


class Fold:
    """A partition of points, fed with messages of one series."""

    def __init__(self) -> None:
        self._fold = PartitionFold(checked, tenant_of, kind_of, SeriesNames(series_id))
        self._seq = 0
        self.start_ms = now_ms() // 900_000 * 900_000 - 900_000

    def feed(self, at_ms: int, *ts_ms: int) -> None:
        """A message received so long after the start, with points of these times."""
        self._seq += 1
        series = [pack(Series(7, "plans", "gauge", "", ()))] if ts_ms else []
        points = Points(
            np.zeros(len(ts_ms), np.uint16), np.array(ts_ms, np.int64) + self.start_ms, np.ones(len(ts_ms))
        )
        self._fold.fold(Arrival("g", self._seq, self.start_ms + at_ms, series), points)

    async def save(self, pool: Pool, groups: GroupTables | None = None) -> None:
        """Write what has been gathered."""
        work = self._fold.checkpoint()
        index = groups and groups.index()
        work.grouping = index and index.of(work.series)
        async with connection(pool) as conn, conn.transaction():
            await RollupTables(groups=groups).save(conn, {KEYS[0]: work})


async def test_late_points_find_their_rows_by_key(pool: Pool, plans: Plans) -> None:
    """In every tier, each in the one partition of its time."""
    fold = Fold()
    fold.feed(5_000, 1_000)
    fold.feed(903_000)
    await fold.save(pool)
    plans.found.clear()
    fold.feed(904_000, 2_000)
    await fold.save(pool)

    tables = ["rollup_10s", "rollup_1m", "rollup_15m"]
    assert {f"{table}_pkey" for table in tables} <= plans.indexes
    assert set() == plans.read_whole
    assert [1, 1, 1] == [plans.partitions(table) for table in tables]


async def test_late_points_find_their_prepared_groups_by_key(pool: Pool, plans: Plans) -> None:
    """In every tier, each in the one partition of its time; so is what the partition keeps."""
    groups = GroupTables(LabelSets({"*": ((), ("a",))}))
    async with connection(pool) as conn:
        await groups.begin(conn, {KEYS[0]: Stored(1, 0, None, b"", None)})
    fold = Fold()
    fold.feed(5_000, 1_000)
    fold.feed(903_000)
    await fold.save(pool, groups)
    plans.found.clear()
    fold.feed(904_000, 2_000)
    await fold.save(pool, groups)

    tables = ["rollup_group_10s", "rollup_group_1m", "rollup_group_15m"]
    assert {*(f"{table}_pkey" for table in tables), "prepared_group_pkey"} <= plans.indexes
    assert set() == plans.read_whole
    assert [1, 1, 1] == [plans.partitions(table) for table in tables]


async def test_rows_that_are_no_longer_kept_up_are_found_by_key(pool: Pool, plans: Plans) -> None:
    """Of the finest tier, in the one partition of their time; the point itself goes into the coarser ones."""
    fold = Fold()
    fold.feed(5_000, 1_000)
    fold.feed(WRITTEN_MS + 60_000)
    await fold.save(pool)
    plans.found.clear()
    fold.feed(WRITTEN_MS + 61_000, 2_000)
    await fold.save(pool)

    assert {"rollup_10s_pkey", "rollup_1m_pkey", "rollup_15m_pkey"} <= plans.indexes
    assert (set(), 1) == (plans.read_whole, plans.partitions("rollup_10s"))


async def test_open_windows_are_found_by_key(pool: Pool, plans: Plans) -> None:
    """Those of other partitions are not read."""
    async with connection(pool) as conn:
        kept = await RollupTables().kept(conn, KEYS)

    assert [{60_000: b"x" * 1000}] * 12 == list(kept.values())
    assert ({"open_window_pkey"}, set()) == (plans.indexes, plans.read_whole)


async def test_batch_ids_are_remembered_by_partition(pool: Pool, plans: Plans) -> None:
    """Those that count for 15 minutes, of this partition alone."""
    now_s = now_ms() // 1000
    async with connection(pool) as conn:
        await BatchIds().save(conn, {KEYS[0]: (2000, Fresh([bytes(16)], [1], [1], [now_s]))})
        await BatchIds().kept(conn, KEYS[:1])

    assert ({"batch_id_pkey"}, set()) == (plans.indexes, plans.read_whole)
    assert plans.rows_of("batch_id") <= 3


async def test_the_watch_of_the_ledger_reads_its_last_hour(pool: Pool, plans: Plans) -> None:
    """Of 30 days of minutes, those of one or two days are looked into; of a day that is hours old all may be read."""
    await LedgerWatch(pool, Sender("127.0.0.1:9", "test"), "me").check()

    assert plans.partitions("ledger_1m") <= 2
    assert plans.rows_of("ledger_1m") <= 5 * 60 * 200


async def test_events_are_known_by_their_ids(filled: str) -> None:
    """Ids and sessions of the batch are looked up; what else was stored is not read."""
    step = Raw(b'{"funnel": "effect_creation"}')
    batch = [
        events.Event(7, f"new {n}", "funnel_step", now_ms(), "effect_viewing", f"session {n}", None, step)
        for n in range(100)
    ]
    stream = EventFold()
    stream.fold(Record(1, now_ms(), events.encode(events.EventBatch(now_ms(), batch))))
    work = stream.checkpoint().work
    async with explaining(filled, **planning.BY_KEY) as (pool, plans), connection(pool) as conn:
        await judge([work], EventIds(conn))
        await EventTables(PROJECTIONS).save(conn, {KEYS[0]: work})

    assert {"event_id_pkey", "funnel_entry_pkey"} <= plans.indexes
    assert set() == plans.read_whole


async def test_alerts_are_restored_and_written_by_partition(pool: Pool, plans: Plans) -> None:
    """What lasts there, and what ended lately there."""
    state = partition(rule())
    state.fold(closed([(1, 1, 9.0)]))
    cut = Cut(KEYS[0], 1, 0, 1, Checkpoint(state.checkpoint(), 0, b"", None))
    async with connection(pool) as conn:
        await AlertTables().restore(conn, {key: Stored(2, 1, 0, b"", None) for key in KEYS})
    restored = plans.indexes
    async with connection(pool) as conn:
        await AlertTables().save(conn, [cut])

    assert {"alert_instance_by_partition", "alert_instance_ended"} <= restored
    assert set() == plans.read_whole


async def test_what_ranges_look_back_on_is_kept_by_partition(pool: Pool, plans: Plans) -> None:
    """Found, added to and forgotten, without a look at what other partitions keep."""
    state = partition(rule("increase(api_response_seconds[30s]) > 5"))
    for message in (tick(1), closed([(1, 2, 9.0)], 3), tick(3), tick(90)):
        state.fold(message)
    cut = Cut(KEYS[0], 1, 0, 1, Checkpoint(state.checkpoint(), 0, b"", None))
    async with connection(pool) as conn:
        await HistoryTables().restore(conn, {key: Stored(2, 1, 0, b"", None) for key in KEYS})
        await HistoryTables().save(conn, [cut])

    assert {"alert_window_pkey", "alert_coverage_pkey"} <= plans.indexes
    assert set() == plans.read_whole


async def test_dispatch_routes_and_claims_what_is_due(pool: Pool, plans: Plans) -> None:
    """What was delivered, and what belongs to others, is not read."""
    outbox, notifications = AlertOutbox("topic 6", partial(connection, pool)), Notifications(pool, "topic 6")
    await outbox.replace(await outbox.pending(10), [])
    (claimed, *_) = await notifications.claim("pager", 10)
    await notifications.record([(claimed, DELIVERED)])

    assert {"alert_outbox_by_topic", "notification_due", "notification_pkey"} <= plans.indexes
    assert set() == plans.read_whole


async def test_dispatch_reconciles_and_claims_groups_of_its_own(pool: Pool, plans: Plans) -> None:
    """What was delivered, what belongs to others, and silences and notes that are over, are not read."""
    async with connection(pool) as conn:
        await conn.execute(
            "UPDATE notification SET group_key = 'g' || series_id % 3, transition = 'firing', episode_ms = 0 "
            "WHERE topic = 'topic 8' AND delivered_at IS NULL"
        )
    plans.found.clear()
    pager = Webhook("pager", "http://127.0.0.1:9/")
    await Reconciler(pool, "topic 8", [pager]).reconcile()
    claimed = await GroupedNotifications(pool, "topic 8").claim("pager", 10)
    await pager.close()

    assert {3} == {len({each.message for each in claimed})}
    assert {"silence_by_end", "alert_note_open", "notification_due"} <= plans.indexes
    assert set() == plans.read_whole


@pytest.mark.parametrize(
    ("statements", "by_age"),
    [
        pytest.param(EventTables(PROJECTIONS).maintenance, {"funnel_entry_by_age"}, id="ingest"),
        pytest.param(BATCH_MAINTENANCE, {"batch_id_pkey"}, id="aggregator"),
        pytest.param(
            (*NOTIFICATION_MAINTENANCE, *ALERT_MAINTENANCE, *SILENCE_MAINTENANCE, *NOTE_MAINTENANCE),
            {
                "alert_event_by_age",
                "alert_instance_by_age",
                "notification_by_age",
                "silence_by_end",
                "alert_note_by_age",
            },
            id="alerts",
        ),
    ],
)
async def test_what_is_past_retention_is_found_by_age(
    pool: Pool, plans: Plans, statements: tuple[str, ...], by_age: set[str]
) -> None:
    """Each statement starts from the oldest rows."""
    await maintenance.keep(pool, statements)

    assert by_age <= plans.indexes
