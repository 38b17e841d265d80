"""Maintenance of tables: partitions are made days ahead, and what is past its retention goes, all in the background.

Spans are seconds. The table `retention` says how long what is kept. Each service names its own tables; any number of
workers may keep them at once. A worker takes no records before the partitions of now are there, and waits for nothing
else: what a lock refuses is tried again later. What goes is found and removed in pieces until none is left, so that
removing keeps up with whatever comes in.
"""

import asyncio
from collections.abc import Sequence
from typing import NamedTuple, TypeAlias

import structlog

from shared.errors import Unavailable
from shared.postgres.connections import Pool, connection
from shared.runtime.clock import monotonic_s
from shared.runtime.lifecycle import background
from shared.runtime.retry import attempts, spread

EVERY_S = 3600.0
"""Longest time between two rounds."""

AGAIN_S = 60.0
"""Longest time before another round when something was refused in the last one."""

_PREPARE = "SELECT prepare_partitions($1)"

_EXPIRE = "SELECT removed, waiting FROM expire_partition($1)"

_log = structlog.get_logger(__name__)


class Partitioned(NamedTuple):
    """A table that is partitioned by time, as `retention` says."""

    table: str


class Deletion(NamedTuple):
    """Rows of a table that go one by one."""

    table: str
    statement: str
    """Deletes some thousand rows past retention at most, the oldest first; it skips rows that others have locked."""


Task: TypeAlias = Partitioned | Deletion


def kept_since(table: str) -> str:
    """SQL of the instant before which rows of a table are past retention; it is the name of one of ours."""
    return f"now() - (SELECT keep FROM retention WHERE table_name = '{table}')"  # noqa: S608


async def begin(pool: Pool, tasks: Sequence[Task], stopping: asyncio.Event) -> None:
    """Wait for the partitions of now, then keep the tables in the background; returns early when `stopping` is set."""
    async for attempt in attempts("waiting for Postgres", Unavailable):
        with attempt:
            if stopping.is_set():
                return
            await prepare(pool, tasks)
    background(_go_on(pool, tasks), "maintenance")


async def prepare(pool: Pool, tasks: Sequence[Task]) -> None:
    """Make partitions ahead of time. Raises `Unavailable` when that of now could not be made."""
    async with connection(pool) as conn:
        for task in tasks:
            if isinstance(task, Partitioned):
                await conn.execute(_PREPARE, task.table)


async def keep(pool: Pool, tasks: Sequence[Task]) -> bool:
    """One round: whether nothing is left that should be gone. What fails is logged, and does not stop the rest."""
    done = True
    for task in tasks:
        try:
            done &= await (_expired(pool, task) if isinstance(task, Partitioned) else _deleted(pool, task))
        except Unavailable as problem:
            _log.warning("maintenance put off", table=task.table, problem=str(problem))
            done = False
    return done


async def _go_on(pool: Pool, tasks: Sequence[Task]) -> None:
    while True:
        done = await keep(pool, tasks)
        await asyncio.sleep(spread(EVERY_S if done else AGAIN_S))
        async for attempt in attempts("maintenance put off", Unavailable):
            with attempt:
                await prepare(pool, tasks)


async def _expired(pool: Pool, task: Partitioned) -> bool:
    """Remove partitions, each in a transaction of its own: whether none is left."""
    while True:
        async with connection(pool) as conn:
            removed, waiting = await conn.fetchrow(_EXPIRE, task.table)
        if not waiting:
            return True
        if not removed:
            _log.info("old partitions are in use", table=task.table, waiting=waiting)
            return False


async def _deleted(pool: Pool, task: Deletion) -> bool:
    """Delete piece by piece until none is left, for half of the time at most."""
    while True:
        began_s = monotonic_s()
        async with connection(pool) as conn:
            said = await conn.execute(task.statement)
        if said == "DELETE 0":
            return True
        await asyncio.sleep(monotonic_s() - began_s)
