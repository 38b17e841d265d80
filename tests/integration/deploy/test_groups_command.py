"""`tidegauge groups` as an operator types it, on a real database."""

import secrets
from collections.abc import Iterator

import asyncpg
import pytest
from typer.testing import CliRunner

from deploy.cli import app
from deploy.local.run_sync import run_sync
from deploy.local.stack import Stack
from deploy.postgres.migrate import migrate
from shared.postgres import connections
from shared.prepared.label_sets import NO_SETS, LabelSets
from tests.support.prepared import SETS, Topic

pytestmark = pytest.mark.servers

FEW = LabelSets({"*": ((),)})


@pytest.fixture
def address(stack: Stack) -> Iterator[str]:
    """A database of this test's own, with tables."""
    name = f"groups_{secrets.token_hex(4)}"
    run_sync(execute(stack.postgres, f"CREATE DATABASE {name}"))
    dsn = stack.postgres.rpartition("/")[0] + "/" + name
    run_sync(migrate(dsn))
    yield dsn
    run_sync(execute(stack.postgres, f"DROP DATABASE {name} WITH (FORCE)"))


async def execute(dsn: str, statement: str) -> None:
    """Run a statement."""
    conn = await asyncpg.connect(dsn)
    try:
        await conn.execute(statement)
    finally:
        await conn.close()


async def half_prepared(dsn: str) -> int:
    """Rows of half an hour, prepared from the middle on, one set not everywhere; when they begin."""
    pool = await connections.pool(dsn, 4)
    topic = Topic(pool)
    await topic.acquire(NO_SETS)
    await topic.go_on(30)
    await topic.acquire(FEW)
    await topic.go_on(32)
    await topic.parts[0].commit()
    await topic.parts[0].acquire(sets=SETS)
    await topic.parts[1].commit()
    pool.terminate()
    return topic.parts[0].start_ms


def run(address: str, *words: str) -> tuple[int, list[str]]:
    """Exit code and the lines that are printed."""
    done = CliRunner().invoke(app, ["groups", *words], env={"TIDEGAUGE_POSTGRES": address})
    return done.exit_code, done.output.splitlines()


def test_an_operator_sees_what_is_prepared_and_fills_in_the_rest(address: str) -> None:
    """Set by set and tier by tier; what not all partitions keep is left, and said."""
    run_sync(half_prepared(address))
    code, before = run(address, "status")
    filled = run(address, "backfill")
    _, after = run(address, "status")
    again = run(address, "backfill")

    assert 0 == code
    assert ["windows", "metrics", "label set", "since", "partitions"] == [
        word.strip() for word in before[0].split("  ") if word.strip()
    ]
    everywhere = [line for line in before[1:-1] if line.endswith("2 of 2")]
    assert 3 == len(everywhere)
    assert all("(all series together)" in line for line in everywhere)
    assert 6 == sum(line.endswith("1 of 2") for line in before)
    assert before[-1].startswith("sets that not all partitions keep answer nothing")
    assert (0, "nothing is left to be filled in") == (filled[0], filled[1][-1])
    assert {"15 min", "1 min", "10 s"} == {line.partition(":")[0] for line in filled[1][:-1]}
    assert all(new < old for old, new in zip(everywhere, after[1:], strict=False) if new.endswith("2 of 2"))
    assert (0, ["there was nothing to fill in"]) == again


def test_groups_are_made_anew(address: str) -> None:
    """As when the audit says that some differ."""
    run_sync(half_prepared(address))
    run(address, "backfill")
    run_sync(execute(address, "DELETE FROM rollup_group_1m"))
    nothing = run(address, "backfill")
    code, lines = run(address, "backfill", "--again")

    assert (0, ["there was nothing to fill in"]) == nothing
    assert (0, "nothing is left to be filled in") == (code, lines[-1])
    assert any(line.startswith("1 min: whole from ") for line in lines)


def test_where_nothing_is_prepared_it_says_what_to_do(address: str) -> None:
    """And an instant that is none is refused."""
    assert (
        1,
        ["tidegauge: no aggregator has prepared groups yet: start one with a file of label sets"],
    ) == run(address, "status")
    assert (1, ["tidegauge: --since: must be an instant such as 2026-03-01T12:00Z"]) == run(
        address, "backfill", "--since", "noon"
    )
