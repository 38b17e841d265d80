"""Each service has a role of Postgres with what it needs and no more; people have one that cannot do harm.

That a service works as its role is shown wherever a whole system runs: `tests/support/processes/system.py` signs in so.
"""

import re
import secrets
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

import asyncpg
import pytest
import pytest_asyncio

from deploy.postgres import roles
from deploy.postgres.migrate import migrate
from deploy.postgres.roles import GRANTS, address_of, name_of
from shared.errors import Misconfigured
from tests.support.stack import PASSWORD

pytestmark = pytest.mark.servers

OF_COLUMNS = re.compile(r"(?:^|, )\w+ \([^)]*\)")
"""A right to some columns, which is no right to a table."""

RIGHTS = ("SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE")

TABLES = """
SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p', 'v')
    AND NOT relispartition
"""


@pytest.fixture
def passwords() -> dict[str, str]:
    """A password for each role, with what addresses must quote."""
    return {role: f"{secrets.token_hex(4)}'@/:%" for role in GRANTS}


@pytest_asyncio.fixture
async def owner(dsn: str, passwords: dict[str, str]) -> AsyncIterator[asyncpg.Connection]:
    """Who migrates, in a database of this test's own with all roles."""
    await migrate(dsn)
    await roles.apply(dsn, passwords)
    conn = await asyncpg.connect(dsn)
    yield conn
    await conn.close()
    # Roles belong to the server, which other tests use after this one.
    await roles.apply(dsn, dict.fromkeys(GRANTS, PASSWORD))


async def test_each_role_has_the_rights_of_the_table_and_no_others(
    owner: asyncpg.Connection, dsn: str
) -> None:
    """Also after they were given once more, and one too many in between."""
    await owner.execute("GRANT DELETE ON tenant TO tidegauge_intake")
    await roles.grant(dsn)
    tables = {row["relname"] for row in await owner.fetch(TABLES)}
    may = "SELECT has_table_privilege($1, $2, $3)"
    found = {
        role: {
            table: ", ".join(
                [right for right in RIGHTS if await owner.fetchval(may, name_of(role), table, right)]
            )
            for table in tables
        }
        for role in GRANTS
    }

    whole = {
        role: {table: OF_COLUMNS.sub("", GRANTS[role].get(table, "")) for table in tables} for role in GRANTS
    }
    assert whole == found


@pytest.mark.parametrize(
    ("role", "statement"),
    [
        pytest.param("intake", "SELECT count(*) FROM rollup_10s", id="the intake reads no telemetry"),
        pytest.param("intake", "UPDATE api_key SET scope = 'admin'", id="the intake changes no key"),
        pytest.param("query", "UPDATE api_key SET scope = 'admin'", id="queries widen no key"),
        pytest.param("query", "DELETE FROM rollup_10s", id="queries change no row"),
        pytest.param("aggregator", "SELECT count(*) FROM api_key", id="workers see no key"),
        pytest.param("alerts", "INSERT INTO event DEFAULT VALUES", id="alerts writes no event"),
        pytest.param("ingest", "DROP TABLE event", id="workers drop no table"),
        pytest.param(
            "ingest", "UPDATE retention SET keep = interval '900 days'", id="workers keep no longer"
        ),
        pytest.param("alerts", "SELECT expire_partition('event')", id="who has no partitions drops none"),
        pytest.param("reader", "SELECT count(*) FROM api_key", id="readers see no key"),
        pytest.param("reader", "SELECT count(*) FROM rollup_10s", id="readers see no table"),
        pytest.param("reader", "SELECT count(*) FROM reader_login", id="readers see no reader"),
        pytest.param("query", "INSERT INTO reader_login DEFAULT VALUES", id="queries bind no reader"),
        pytest.param("reader", "SELECT count(*) FROM dead_letter", id="readers see no raw bytes"),
    ],
)
@pytest.mark.usefixtures("owner")
async def test_what_a_role_need_not_do_is_refused(
    dsn: str, passwords: dict[str, str], role: str, statement: str
) -> None:
    """By Postgres itself, whatever the process that signed in was made to do."""
    conn = await asyncpg.connect(address_of(dsn, role, passwords[role]))
    try:
        with pytest.raises((asyncpg.InsufficientPrivilegeError, asyncpg.ReadOnlySQLTransactionError)):
            await conn.execute(statement)
    finally:
        await conn.close()


async def test_keepers_of_partitions_act_by_the_table_retention_alone(
    owner: asyncpg.Connection, dsn: str, passwords: dict[str, str]
) -> None:
    """They own no table, and a table of that name of their own session changes nothing."""
    await owner.execute("SELECT make_partition('event', 1000000000 / 86400 * 86400, 86400)")
    conn = await asyncpg.connect(address_of(dsn, "ingest", passwords["ingest"]))
    await conn.execute("CREATE TEMPORARY TABLE retention AS SELECT * FROM public.retention")
    await conn.execute("UPDATE pg_temp.retention SET keep = interval '0'")
    await conn.execute("SELECT prepare_partitions('event')")
    removed = [
        tuple(await conn.fetchrow("SELECT removed, waiting FROM expire_partition('event')")) for _ in range(2)
    ]
    await conn.close()

    assert [(1, 0), (0, 0)] == removed


@pytest.mark.usefixtures("owner")
async def test_questions_of_people_end_by_themselves(dsn: str, passwords: dict[str, str]) -> None:
    """The limits belong to the role, whoever signs in as it."""
    conn = await asyncpg.connect(address_of(dsn, "reader", passwords["reader"]))
    found = await conn.fetchval("SELECT count(*) FROM metric_series")
    limits = {name: await conn.fetchval(f"SHOW {name}") for name in roles.READER_SETTINGS}
    await conn.close()

    assert (0, "30s", "on") == (found, limits["statement_timeout"], limits["default_transaction_read_only"])


async def test_who_may_not_make_roles_is_told_what_to_have_done(owner: asyncpg.Connection, dsn: str) -> None:
    """The statements that an administrator runs, and the command after them."""
    name = f"r{secrets.token_hex(4)}"
    await owner.execute(f"CREATE ROLE {name} LOGIN PASSWORD 'p'")
    parts = urlsplit(dsn)
    poor = f"postgresql://{name}:p@{parts.hostname}:{parts.port}{parts.path}"
    try:
        with pytest.raises(
            Misconfigured, match=r"(?s)CREATE ROLE tidegauge_intake LOGIN.*`tidegauge migrate`"
        ):
            await roles.apply(poor, {})
    finally:
        await owner.execute(f"DROP ROLE {name}")
