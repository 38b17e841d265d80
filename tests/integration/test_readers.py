"""A reader of one tenant sees no row, name or figure of another, through no view, function or trick of Postgres.

What every role of a cluster sees (docs/QUERIES.md, what a reader still learns) are sizes of whole tables, of no tenant.
"""

import itertools
import re
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest
import pytest_asyncio

from deploy.local.stack import Stack
from deploy.postgres import readers
from deploy.postgres.roles import GRANTS
from tests.support.stack import signed_in
from tests.support.two_tenants import DEMO, SHOP, TwoTenants, role_of, two_tenants

pytestmark = [pytest.mark.servers, pytest.mark.asyncio(loop_scope="module")]

Connection = Any

VIEWS = tuple(GRANTS["reader"])

RELATIONS = """
SELECT c.oid::regclass::text AS name FROM pg_class c
WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p', 'S', 'v', 'm')
"""

CATALOGUE = """
SELECT c.oid::regclass::text AS name FROM pg_class c
WHERE c.relnamespace IN ('pg_catalog'::regnamespace, 'information_schema'::regnamespace) AND c.relkind IN ('r', 'v')
    AND has_table_privilege(c.oid, 'SELECT')
"""

LEAKY = (
    "SELECT 1 FROM {} AS row WHERE pg_temp.tell(row::text)",
    "SELECT 1 FROM {} WHERE tenant <> '' AND pg_temp.tell(tenant) ORDER BY tenant",
    "SELECT 1 FROM {0} WHERE pg_temp.tell(tenant) UNION ALL SELECT 1 FROM {0} WHERE pg_temp.tell(tenant)",
    "SELECT 1 FROM (SELECT tenant FROM {0} UNION ALL SELECT tenant FROM {0}) AS twice WHERE pg_temp.tell(tenant)",
    "SELECT 1 FROM {0} AS a JOIN {0} AS b ON pg_temp.tell(a.tenant) AND pg_temp.tell(b::text)",
    "SELECT 1 FROM {0} AS a LEFT JOIN {0} AS b ON pg_temp.tell(a.tenant || b.tenant)",
    "WITH held AS (SELECT * FROM {}) SELECT 1 FROM held WHERE pg_temp.tell(held::text)",
    "SELECT 1 FROM generate_series(1, 2), LATERAL (SELECT tenant FROM {} OFFSET 0) AS held WHERE pg_temp.tell(tenant)",
    "SELECT 1 WHERE EXISTS (SELECT FROM {} AS row WHERE pg_temp.tell(row::text) AND NOT pg_temp.tell(tenant))",
    "SELECT count(*) FILTER (WHERE pg_temp.tell(tenant)) FROM {} GROUP BY pg_temp.tell(tenant)",
)
"""Questions that show rows to a function."""

REFUSED = (asyncpg.InsufficientPrivilegeError, asyncpg.ReadOnlySQLTransactionError)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def both(stack: Stack) -> AsyncIterator[TwoTenants]:
    """The database, for all tests of this module: readers change nothing in it."""
    async with two_tenants(stack.postgres) as made:
        yield made


@pytest_asyncio.fixture(loop_scope="module")
async def owner(both: TwoTenants) -> AsyncIterator[Connection]:
    """Who migrates."""
    conn = await asyncpg.connect(both.owner)
    yield conn
    await conn.close()


@pytest_asyncio.fixture(loop_scope="module")
async def demo(both: TwoTenants) -> AsyncIterator[Connection]:
    """The reader of the tenant `demo`, who tries to see the other."""
    conn = await asyncpg.connect(both.demo)
    yield conn
    await conn.close()


@pytest_asyncio.fixture(loop_scope="module")
async def shop(both: TwoTenants) -> AsyncIterator[Connection]:
    """The reader of the other tenant."""
    conn = await asyncpg.connect(both.shop)
    yield conn
    await conn.close()


async def seen(conn: Connection, view: str) -> list[str]:
    """The rows of a view as text."""
    return [row[0] for row in await conn.fetch(f"SELECT row::text FROM {view} AS row")]


@pytest.mark.parametrize("view", VIEWS)
async def test_a_view_holds_the_rows_of_the_own_tenant(
    owner: Connection, demo: Connection, shop: Connection, view: str
) -> None:
    """Each row once, to one of the two, and all of them to the owner; what nobody owns to all."""
    mine, theirs, every = [await seen(conn, view) for conn in (demo, shop, owner)]
    unowned = [row for row in every if ",lost," in row]

    assert len(mine) > len(unowned)
    assert sorted(mine + theirs) == sorted(every + unowned)
    assert not any(SHOP.mark in row or SHOP.name in row for row in mine)
    assert not any(DEMO.mark in row or DEMO.name in row for row in theirs)


async def test_a_reader_has_no_right_on_a_table(demo: Connection) -> None:
    """Nor on a partition, a sequence or a column of one; views are all there is."""
    names = [row["name"] for row in await demo.fetch(RELATIONS)]
    may = "SELECT has_table_privilege($1, 'SELECT') OR has_any_column_privilege($1, 'SELECT')"

    assert set(VIEWS) == {name for name in names if await demo.fetchval(may, name)}


async def test_no_function_of_a_question_is_called_for_a_row_of_another(demo: Connection) -> None:
    """However cheap it says it is: one that tells all that it is given hears of the own tenant alone."""
    heard: list[str] = []
    demo.add_log_listener(lambda _, message: heard.append(message.message))
    await demo.execute("SET default_transaction_read_only = off")
    await demo.execute(
        "CREATE FUNCTION pg_temp.tell(given text) RETURNS boolean LANGUAGE plpgsql COST 0.0000001 AS "
        "$$ BEGIN RAISE NOTICE 'told %', given; RETURN true; END $$"
    )

    for view, question in itertools.product(VIEWS, LEAKY):
        await demo.fetch(question.format(view))

    assert any(DEMO.mark in text for text in heard)
    assert not any(SHOP.mark in text or SHOP.name in text for text in heard)


@pytest.mark.parametrize(
    "question",
    [
        pytest.param("SELECT 1 / (metric NOT LIKE '{mark}%')::int FROM metric_series", id="division"),
        pytest.param("SELECT 1 FROM metric_series WHERE 1 / (metric <> '{mark}.own')::int = 1", id="division first"),
        pytest.param("SELECT 1 FROM user_event WHERE name LIKE '{mark}%' AND name::int = 1", id="cast"),
        pytest.param("SELECT 1 FROM window_15m WHERE sum = {figure} AND labels::text::int = 1", id="cast of labels"),
        pytest.param("SELECT 1 FROM performance_alert WHERE alert ~ '{mark}' AND alert::int = 1", id="cast of text"),
        pytest.param("SELECT 1 FROM conversion_funnel WHERE session_id ~ '{mark}' AND 1 / (step * 0) = 1", id="steps"),
        pytest.param("SELECT 1 FROM ledger WHERE count = {figure} AND outcome::int = 1", id="cast of outcomes"),
    ],
)  # fmt: skip
async def test_a_question_does_not_fail_on_a_row_of_another(demo: Connection, question: str) -> None:
    """Asked of its own rows each of them does: the error would say that there is such a row, and show it."""
    own = {"mark": DEMO.mark, "figure": DEMO.figure}
    theirs = {"mark": SHOP.mark, "figure": SHOP.figure}
    with pytest.raises((asyncpg.DivisionByZeroError, asyncpg.DataError)):
        await demo.fetch(question.format(**own))

    found = await demo.fetch(question.format(**theirs))

    assert all(row[0] == 1 for row in found)


@pytest.mark.parametrize(
    "statements",
    [
        pytest.param(["SET ROLE tidegauge_reader"], id="as the role of all readers"),
        pytest.param(["SET search_path = pg_temp, public"], id="another search path"),
        pytest.param(
            [
                "SET default_transaction_read_only = off",
                "CREATE TEMP TABLE tenant (tenant_id bigint, name text)",
                "CREATE TEMP TABLE reader_login (role name, tenant_id bigint)",
                "INSERT INTO pg_temp.reader_login SELECT session_user, n FROM generate_series(0, 99) AS n",
                "SET search_path = pg_temp, public",
            ],
            id="tables of the same names",
        ),
        pytest.param(
            [
                "SET default_transaction_read_only = off",
                "CREATE FUNCTION pg_temp.readable_tenants() RETURNS bigint[] LANGUAGE sql AS 'SELECT ARRAY[1::int8]'",
                "CREATE FUNCTION pg_temp.session_user() RETURNS name LANGUAGE sql AS 'SELECT ''tidegauge''::name'",
                "SET search_path = pg_temp, public",
            ],
            id="functions of the same names",
        ),
        pytest.param(["SET row_security = off"], id="without policies"),
        pytest.param(["SET application_name = 'tidegauge'", "SET tidegauge.tenant = 'shop'"], id="settings"),
    ],
)  # fmt: skip
async def test_what_a_session_can_set_changes_nothing(both: TwoTenants, statements: list[str]) -> None:
    """What is read follows from who signed in."""
    conn = await asyncpg.connect(both.demo)
    try:
        for statement in statements:
            await conn.execute(statement)
        found = [text for view in VIEWS for text in await seen(conn, f"public.{view}")]
        tenants = await conn.fetchval("SELECT public.readable_tenants()")
    finally:
        await conn.close()

    assert any(DEMO.mark in text for text in found)
    assert not any(SHOP.mark in text or SHOP.name in text for text in found)
    assert len(tenants) == 1


@pytest.mark.parametrize(
    "statement",
    [
        "SET SESSION AUTHORIZATION tidegauge_query",
        "SET ROLE tidegauge_query",
        "SELECT set_config('role', 'tidegauge_aggregator', false)",
        "INSERT INTO reader_login SELECT session_user, 2",
        "SELECT * FROM reader_login",
        "SELECT * FROM tenant",
        "COPY event TO STDOUT",
        "CREATE VIEW public.v AS SELECT 1",
        "CREATE FUNCTION public.f() RETURNS int LANGUAGE sql SECURITY DEFINER AS 'SELECT 1'",
        "CREATE OR REPLACE FUNCTION public.readable_tenants() RETURNS bigint[] LANGUAGE sql AS 'SELECT ARRAY[1::int8]'",
        "ALTER VIEW user_event RESET (security_barrier)",
        "UPDATE readable_tenant SET tenant = 'mine'",
        "DELETE FROM user_event",
        "GRANT tidegauge_query TO CURRENT_USER",
        "CREATE ROLE r SUPERUSER",
        "SELECT pg_read_file('postgresql.conf')",
        "SELECT * FROM pg_statistic",
        "SELECT * FROM pg_authid",
        "SELECT prepare_partitions('event')",
        "TRUNCATE series",
        "BEGIN; LOCK TABLE series IN ACCESS SHARE MODE",
    ],
)
async def test_what_would_lead_further_is_refused(both: TwoTenants, statement: str) -> None:
    """By Postgres, also in a session that has set itself to write."""
    conn = await asyncpg.connect(both.demo)
    try:
        await conn.execute("SET default_transaction_read_only = off")
        with pytest.raises((*REFUSED, asyncpg.ObjectNotInPrerequisiteStateError)):
            await conn.execute(statement)
    finally:
        await conn.close()


async def test_no_catalogue_names_another_tenant(demo: Connection) -> None:
    """Every table and view of the catalogue that a reader may read is searched, statistics and roles included."""
    patterns = [f"%{SHOP.mark}%", f"%{SHOP.name}%"]
    names = [row["name"] for row in await demo.fetch(CATALOGUE)]
    showing = []
    for name in names:
        found = await demo.fetch(
            f"SELECT row::text FROM {name} AS row WHERE row::text LIKE ANY ($1)", patterns
        )
        showing += [(name, row[0]) for row in found if not _is_of_this_test(row[0])]

    assert len(names) > 100
    assert showing == []


def _is_of_this_test(text: str) -> bool:
    """A word of Postgres itself that happens to hold the name of the tenant."""
    return SHOP.mark not in text and re.search(rf"(?<![a-z]){SHOP.name}(?![a-z])", text) is None


async def test_no_plan_names_another_tenant(demo: Connection) -> None:
    """A plan shows what was asked, and how many rows of all tenants were looked at."""
    for view in VIEWS:
        plan = "\n".join(
            row[0] for row in await demo.fetch(f"EXPLAIN (ANALYZE, VERBOSE) SELECT * FROM {view}")
        )

        assert [] == [text for text in (SHOP.mark, SHOP.name) if text in plan]


@pytest.mark.parametrize("tenants", [{DEMO.name, SHOP.name}, {SHOP.name}], ids=["both", "another"])
async def test_a_login_reads_what_it_is_bound_to_from_its_next_statement_on(
    both: TwoTenants, tenants: set[str]
) -> None:
    """Also in a session that is open, whatever it was bound to before."""
    address = await readers.create(both.owner, [DEMO.name])
    conn = await asyncpg.connect(address)
    before = {row[0] for row in await conn.fetch("SELECT tenant FROM user_event")}
    await readers.bind_login(both.owner, role_of(address), sorted(tenants))
    after = {row[0] for row in await conn.fetch("SELECT tenant FROM user_event")}
    await readers.drop(both.owner, role_of(address))

    assert ({DEMO.name}, tenants) == (before, after)


async def test_the_role_of_readers_is_bound_to_a_tenant_as_compose_does(both: TwoTenants) -> None:
    """By the command of its job; whoever drops it has it see nothing again."""
    address = signed_in(both.owner, "reader")
    await readers.bind_login(both.owner, readers.GROUP, [DEMO.name])
    bound = await readers.tenants_of(address)
    await readers.drop(both.owner, readers.GROUP)

    assert ([DEMO.name], []) == (bound, await readers.tenants_of(address))


async def test_a_login_that_is_dropped_is_gone_with_its_sessions(both: TwoTenants, owner: Connection) -> None:
    """Whatever they have made for themselves; and nobody signs in as it again."""
    address = await readers.create(both.owner, [DEMO.name])
    conn = await asyncpg.connect(address)
    await conn.execute("SET default_transaction_read_only = off")
    await conn.execute("CREATE TEMP TABLE kept AS SELECT 1")
    await readers.drop(both.owner, role_of(address))

    with pytest.raises((asyncpg.PostgresConnectionError, asyncpg.InterfaceError, asyncpg.AdminShutdownError)):
        await conn.fetch("SELECT 1")
    assert await owner.fetchval("SELECT count(*) FROM pg_roles WHERE rolname = $1", role_of(address)) == 0
    assert role_of(address) not in {each.role for each in await readers.read_all(both.owner)}


async def test_a_login_that_is_bound_to_nothing_sees_nothing(owner: Connection) -> None:
    """As the role that all readers belong to, as long as nobody has bound it; but for what nobody owns."""
    await owner.execute("SET SESSION AUTHORIZATION tidegauge_reader")
    found = {view: len(await seen(owner, view)) for view in VIEWS}
    await owner.execute("RESET SESSION AUTHORIZATION")

    assert dict.fromkeys(VIEWS, 0) | {"ledger": 1} == found


async def test_a_service_has_no_use_for_the_views(owner: Connection) -> None:
    """Nor is there a policy on a table that would cost it anything."""
    may = """
    SELECT count(*) FROM unnest($1::text[], $2::text[]) AS pair (role, name)
    WHERE has_table_privilege(role, name, 'SELECT')
    """
    services = [f"tidegauge_{role}" for role in GRANTS if role != "reader"]
    pairs = [(role, view) for role in services for view in VIEWS]

    assert await owner.fetchval(may, *map(list, zip(*pairs, strict=True))) == 0
    assert await owner.fetchval("SELECT count(*) FROM pg_class WHERE relrowsecurity") == 0
