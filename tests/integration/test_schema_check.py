"""Every service starts on a schema that fits its build, also one `pre` ahead, and refuses any other by name."""

import secrets
import signal
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from pathlib import Path

import asyncpg
import pytest
import pytest_asyncio

from deploy.kafka import topics
from deploy.local.folder import ROOT
from deploy.local.stack import Stack
from deploy.postgres.migrate import migrate
from shared.postgres import schema
from shared.wire.topics import TOPICS
from tests.support.http.gateway import free_port, status
from tests.support.processes.harness import Worker
from tests.support.wait import until

pytestmark = pytest.mark.servers

SERVICES = ("gateway-intake", "gateway-query", "ingest", "aggregator", "alerts")
CONSUMERS = 3
PARTITIONS = 2

VERSION = schema.of_this_build()[-1].schema_version
LAST = schema.of_this_build()[-1].name

RECORD = "INSERT INTO migration (name, sha256, schema_version) VALUES ($1, '', $2)"

ACQUIRED = (
    "SELECT count(DISTINCT topic) = $1 FROM partition_state WHERE topic LIKE $2 || '%' AND owner IS NOT NULL"
)


@pytest_asyncio.fixture
async def database(dsn: str) -> AsyncIterator[asyncpg.Connection]:
    """A session of a database that has the schema of this build."""
    await migrate(dsn)
    connection = await asyncpg.connect(dsn)
    yield connection
    await connection.close()


@pytest.fixture
def environ(stack: Stack, dsn: str) -> Mapping[str, str]:
    """What a service reads to work in this database, under a prefix of its own."""
    return stack.environ | {
        "TIDEGAUGE_POSTGRES": dsn,
        "TIDEGAUGE_TOPIC_PREFIX": f"s{secrets.token_hex(4)}.",
        "ALERTS_RULES": str(ROOT / "deploy/rules/default.yml"),
    }


def worker_of(name: str, environ: Mapping[str, str], folder: Path, health: int = 0) -> Worker:
    """A worker that is not started; a gateway has the role after its name, a port of its own, and one for health."""
    service, _, role = name.partition("-")
    own = {"GATEWAY_ROLE": role, "GATEWAY_PORT": str(free_port()), "GATEWAY_METRICS_PORT": str(health)}
    return Worker(service, {**environ, **own}, folder / f"{name}.log")


async def refused(service: str, environ: Mapping[str, str], folder: Path) -> tuple[int, str]:
    """The exit code of a service that does not start, and what it wrote."""
    worker = await worker_of(service, environ, folder).start()
    try:
        return await worker.ended(40), worker.log.read_text()
    finally:
        await worker.remove()


@pytest.mark.parametrize("service", SERVICES)
async def test_a_schema_that_is_too_new_is_refused(
    service: str, environ: Mapping[str, str], tmp_path: Path, database: asyncpg.Connection
) -> None:
    """The `post` of the next version: exit code 1, with the file, both versions and what to do."""
    await database.execute(RECORD, "9998_post_gone.sql", VERSION + 1)

    code, text = await refused(service, environ, tmp_path)

    assert 1 == code
    assert f"9998_post_gone.sql (schema version {VERSION + 1}) was applied by another build" in text
    assert f"this build has schema version {VERSION}" in text
    assert "upgrade this build" in text


@pytest.mark.parametrize(
    ("statement", "sentence"),
    [
        pytest.param(
            f"INSERT INTO migration (name, sha256, schema_version) VALUES ('9999_pre_far.sql', '', {VERSION + 2})",
            f"9999_pre_far.sql (schema version {VERSION + 2}) was applied by another build",
            id="two ahead",
        ),
        pytest.param(
            f"UPDATE migration SET sha256 = '' WHERE name = '{LAST}'",
            f"{LAST} (schema version {VERSION}) was changed after it was applied: restore the file",
            id="changed",
        ),
        pytest.param(
            f"DELETE FROM migration WHERE name = '{LAST}'",
            f"{LAST} (schema version {VERSION}) was not applied",
            id="behind",
        ),
        pytest.param("DROP TABLE migration", "0001_pre_partitions.sql (schema version 1), and ", id="empty"),
    ],
)
async def test_any_other_schema_is_refused(
    environ: Mapping[str, str], tmp_path: Path, database: asyncpg.Connection, statement: str, sentence: str
) -> None:
    """Each is named with its file and version."""
    await database.execute(statement)

    code, text = await refused("aggregator", environ, tmp_path)

    assert (1, True) == (code, sentence in text), text


async def test_services_start_one_pre_ahead(
    stack: Stack, environ: Mapping[str, str], tmp_path: Path, database: asyncpg.Connection
) -> None:
    """A newer build has applied its `pre` migrations: processes of this one may be started again and work."""
    await database.execute(RECORD, "9998_pre_ahead.sql", VERSION + 1)
    prefix = environ["TIDEGAUGE_TOPIC_PREFIX"]
    await topics.create(
        stack.kafka, [replace(topic, name=prefix + topic.name) for topic in TOPICS], PARTITIONS
    )

    health = {name: free_port() for name in SERVICES if name.startswith("gateway")}
    workers = [await worker_of(name, environ, tmp_path, health.get(name, 0)).start() for name in SERVICES]

    async def ready() -> bool:
        return {200} == {await status(f"http://127.0.0.1:{port}/health/ready") for port in health.values()}

    try:
        await until(
            lambda: database.fetchval(ACQUIRED, CONSUMERS, prefix), "each consumer owns a partition", 60
        )
        await until(ready, "both roles of the gateway are ready", 20)
        for worker in workers:
            worker.signal(signal.SIGTERM)
        assert [0] * len(SERVICES) == [await worker.ended(20) for worker in workers]
    finally:
        for worker in workers:
            await worker.remove()
