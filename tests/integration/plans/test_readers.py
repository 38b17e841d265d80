"""What readers ask through their views is found by index, in the partitions of its range, whatever others stored."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from deploy.postgres import readers
from shared.postgres.connections import Pool, connection
from tests.support.plans import Plans, explaining
from tests.support.two_tenants import role_of

pytestmark = pytest.mark.servers

TENANT = "tenant 8"


@pytest_asyncio.fixture
async def asked(filled: str) -> AsyncIterator[tuple[Pool, Plans]]:
    """A pool that asks as a reader of one tenant, and the plans of what it asks."""
    role = role_of(await readers.create(filled, [TENANT]))
    async with explaining(filled) as (pool, plans):
        async with connection(pool) as conn:
            # Explaining is loaded by a superuser; from here on all is as if the reader had signed in.
            await conn.execute(f"SET SESSION AUTHORIZATION {role}")
        plans.found.clear()
        yield pool, plans
        async with connection(pool) as conn:
            await conn.execute("RESET SESSION AUTHORIZATION")
    await readers.drop(filled, role)


RANGE = "time BETWEEN now() - interval '30 minutes' AND now()"


@pytest.mark.parametrize(
    ("question", "indexes", "parted"),
    [
        pytest.param(
            f"SELECT count(*) FROM user_event WHERE {{}} AND type = 'click' AND {RANGE}",
            {"event_by_type"},
            "event",
            id="events of a type",
        ),
        pytest.param(
            f"SELECT sum(count) FROM window_10s WHERE {{}} AND metric = 'metric 7' AND {RANGE.replace('30', '1')}",
            {"rollup_10s_pkey", "series_by_metric"},
            "rollup_10s",
            id="windows of a metric",
        ),
        pytest.param(
            "SELECT step, count(*) FROM conversion_funnel WHERE {} AND funnel = 'effect_creation' "
            "AND entered_at >= now() - interval '1 hour' GROUP BY step",
            {"funnel_entry_by_entry"},
            "",
            id="sessions that entered",
        ),
        pytest.param(
            f"SELECT count(*) FROM performance_alert WHERE {{}} AND {RANGE}",
            {"alert_event_by_time", "event_by_type"},
            "event",
            id="alerts of a tenant",
        ),
        pytest.param(
            f"SELECT sum(count) FROM ledger WHERE {{}} AND {RANGE}", {"ledger_1m_pkey"}, "ledger_1m", id="ledger"
        ),
        pytest.param("SELECT DISTINCT metric FROM metric_series WHERE {}", {"series_by_metric"}, "", id="metrics"),
    ],
)  # fmt: skip
@pytest.mark.parametrize(
    ("condition", "small"),
    [(f"tenant = '{TENANT}'", {"tenant"}), ("true", {"tenant", "series"})],
    ids=["named", "bound"],
)
async def test_a_question_of_a_reader_reads_what_it_needs(
    asked: tuple[Pool, Plans], question: str, indexes: set[str], parted: str, condition: str, small: set[str]
) -> None:
    """Whether it names its tenant or not: Postgres knows only then how many series there will be of it."""
    pool, plans = asked
    async with connection(pool) as conn:
        await conn.fetch(question.format(condition))

    assert plans.read_whole <= small
    assert {name for name in indexes if not name.startswith(tuple(small))} <= plans.indexes
    assert not parted or plans.partitions(parted) <= 2
