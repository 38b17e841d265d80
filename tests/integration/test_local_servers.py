"""The supervisor: servers that start anywhere, survive their supervisor's death, and are never left behind."""

import asyncio
import itertools
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import aiokafka
import asyncpg
import psutil
import pytest

from deploy.kafka import topics
from deploy.local.folder import ROOT, Occupied, StateFolder
from deploy.local.leftovers import is_ours
from deploy.local.process import MARK, Died
from deploy.local.servers import kafka, postgres, redis
from deploy.local.servers.server import NotOurs
from deploy.local.stack import Stack
from shared.errors import Misconfigured, Unavailable
from shared.wire.topics import METRICS

pytestmark = pytest.mark.servers

PATIENCE_MS = 180_000
"""How long a batch is tried: a broker that has just made 1,200 logs says for long that it leads none."""

SUPERVISOR = """
import signal, sys
from pathlib import Path
from deploy.local.stack import Stack
with Stack.up(Path(sys.argv[1]), environ={}) as stack:
    print(*(server.pid for server in stack.servers.values()), flush=True)
    signal.pause()
"""


def processes_of(folder: Path) -> list[psutil.Process]:
    """Every process that belongs to a folder."""
    state = StateFolder(folder)
    return [process for process in psutil.process_iter() if is_ours(state, process)]


@pytest.fixture
def environ(stack: Stack) -> dict[str, str]:
    """The session's broker is given, so that only what starts in a moment is started."""
    return {"TIDEGAUGE_KAFKA": stack.kafka}


@pytest.fixture
def small(tmp_path: Path, environ: dict[str, str]) -> Iterator[Stack]:
    """A stack of its own Postgres and Redis."""
    with Stack.up(tmp_path, environ=environ) as running:
        yield running


@contextmanager
def sleeping(environ: dict[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    """A process that does nothing for a minute."""
    with subprocess.Popen(["sleep", "60"], env=os.environ | environ) as process:
        yield process
        process.kill()


def sql(dsn: str, statement: str) -> object:
    """The first value that a statement gives."""

    async def ask() -> object:
        connection = await asyncpg.connect(dsn)
        try:
            return await connection.fetchval(statement)
        finally:
            await connection.close()

    return asyncio.run(ask())


async def write_to_each(bootstrap: str, names: list[str], partitions: int) -> None:
    """A message into every partition."""
    producer = aiokafka.AIOKafkaProducer(bootstrap_servers=bootstrap, request_timeout_ms=PATIENCE_MS)
    await producer.start()
    places = itertools.product(names, range(partitions))
    sent = [await producer.send(name, b"message", partition=at) for name, at in places]
    await asyncio.gather(*sent)
    await producer.stop()


def test_copies_live_side_by_side(stack: Stack, small: Stack, tmp_path: Path) -> None:
    """Each folder has its servers, its ports and its data."""
    assert postgres.answers(stack.postgres)
    assert postgres.answers(small.postgres)
    assert redis.answers(small.redis)
    assert len({stack.postgres, small.postgres, stack.redis, small.redis}) == 4
    assert processes_of(tmp_path) != []


@pytest.mark.usefixtures("small")
def test_a_second_start_in_one_folder_says_how_to_stop_the_first(tmp_path: Path) -> None:
    """Two supervisors of one folder would ruin its data."""
    with pytest.raises(Occupied, match=rf"process {os.getpid()}.*tidegauge down"), Stack.up(tmp_path):
        pass


def test_data_stay_until_they_are_forgotten(tmp_path: Path, environ: dict[str, str]) -> None:
    """A stop keeps them and the ports, `fresh` forgets them, and neither leaves a process."""
    with Stack.up(tmp_path, durable=True, environ=environ) as first:
        sql(first.postgres, "CREATE TABLE kept AS SELECT 1")
    assert processes_of(tmp_path) == []

    with Stack.up(tmp_path, durable=True, environ=environ) as second:
        assert sql(second.postgres, "SELECT count(*) FROM kept") == 1
    assert first.environ == second.environ

    with Stack.locked(tmp_path, durable=True, fresh=True, environ=environ) as third:
        third.start()
        assert sql(third.postgres, "SELECT to_regclass('kept')") is None


@pytest.mark.parametrize("name", ["postgres", "redis"])
def test_a_frozen_server_answers_again_when_it_is_thawed(small: Stack, name: str) -> None:
    """Nothing is lost by a freeze but time; the whole tree of processes sleeps."""
    server = small.servers[name]
    answers = {"postgres": postgres.answers, "redis": redis.answers}[name]

    server.freeze()
    assert not answers(server.address)
    server.thaw()
    server.wait_ready()


@pytest.mark.parametrize("name", ["postgres", "redis"])
def test_a_killed_server_starts_again(small: Stack, name: str) -> None:
    """At its address, after whatever recovery it needs."""
    server = small.servers[name]
    before = server.pid

    server.kill()
    server.start()
    server.wait_ready()

    assert server.pid != before


def test_a_killed_kafka_with_many_partitions_starts_again(stack: Stack, tmp_path: Path) -> None:
    """Its small heap holds the recovery of 1,200 logs as well."""
    others = {name: stack.environ[name] for name in ("TIDEGAUGE_POSTGRES", "TIDEGAUGE_REDIS")}
    many = [replace(METRICS, name=f"topic-{at}") for at in range(200)]
    with Stack.up(tmp_path, environ=others) as own:
        asyncio.run(topics.create(own.kafka, many, 6))
        asyncio.run(write_to_each(own.kafka, [topic.name for topic in many], 6))
        own.servers["kafka"].kill()
        own.servers["kafka"].start()
        own.servers["kafka"].wait_ready()

        assert kafka.answers(own.kafka)


def test_a_given_server_is_used_and_left_running(stack: Stack, tmp_path: Path) -> None:
    """What somebody else runs is not ours to stop, kill or freeze."""
    with Stack.up(tmp_path, environ=stack.environ) as given:
        assert given.environ == stack.environ
        assert processes_of(tmp_path) == []
        for act in (
            given.servers["kafka"].kill,
            given.servers["postgres"].freeze,
            given.servers["redis"].thaw,
        ):
            with pytest.raises(NotOurs, match="gives its address"):
                act()
    assert kafka.answers(stack.kafka)
    assert postgres.answers(stack.postgres)
    assert redis.answers(stack.redis)


def test_a_given_server_that_is_away_is_named(stack: Stack, tmp_path: Path) -> None:
    """The message names the variable that gave the address."""
    environ = stack.environ | {"TIDEGAUGE_REDIS": "redis://127.0.0.1:1"}

    with pytest.raises(Unavailable, match="TIDEGAUGE_REDIS"), Stack.up(tmp_path, environ=environ):
        pass


def test_a_server_that_dies_shows_the_end_of_its_log(tmp_path: Path, environ: dict[str, str]) -> None:
    """The reason stands in the message, and the servers that did start are stopped."""
    with Stack.up(tmp_path, environ=environ):
        pass
    with (tmp_path / ".tidegauge/data/postgres/postgresql.conf").open("a") as settings:
        settings.write("no_such_setting = 1\n")

    last_words = r"postgres ended with code 1(.|\n)*no_such_setting"
    with pytest.raises(Died, match=last_words), Stack.up(tmp_path, environ=environ):
        pass
    assert processes_of(tmp_path) == []


def test_data_of_another_version_are_not_touched(tmp_path: Path, environ: dict[str, str]) -> None:
    """The message says which version made them and how to forget them."""
    with Stack.up(tmp_path, environ=environ):
        pass
    (tmp_path / ".tidegauge/data/postgres/PG_VERSION").write_text("9\n")

    with (
        pytest.raises(Misconfigured, match=r"made by Postgres 9.*--fresh"),
        Stack.up(tmp_path, environ=environ),
    ):
        pass


def test_leftovers_are_ended_and_strangers_are_not(tmp_path: Path, environ: dict[str, str]) -> None:
    """A process is ours by its mark, not by its number, which may have been given to another."""
    mine = {MARK: str(StateFolder(tmp_path).path)}
    said: list[str] = []

    with sleeping(mine) as leftover, sleeping({}) as stranger:
        with Stack.locked(tmp_path, durable=False, say=said.append, environ=environ):
            pass

        assert leftover.poll() is not None
        assert stranger.poll() is None
        assert [f"ended what a previous run left: sleep ({leftover.pid})"] == said


def test_all_servers_go_with_a_supervisor_that_is_killed(tmp_path: Path) -> None:
    """After SIGKILL nothing is left for long, and the next start finds data that it can use."""
    command = [sys.executable, "-c", SUPERVISOR, str(tmp_path)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as supervisor:
        assert supervisor.stdout is not None
        pids = [int(pid) for pid in supervisor.stdout.readline().split()]
        servers = [psutil.Process(pid) for pid in pids]
        supervisor.kill()
    _, alive = psutil.wait_procs(servers, timeout=10)

    assert len(pids) == 3
    assert alive == []
    with Stack.up(tmp_path, environ={}) as again:
        assert kafka.answers(again.kafka)
    assert processes_of(tmp_path) == []
