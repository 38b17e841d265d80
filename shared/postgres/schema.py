"""Which database schema a build accepts.

Every migration belongs to a numbered schema version; the schema version of a build is the highest of its migrations.
`migrations.sum` lists the migrations of this build with their checksums, the table `migration` those that were applied.
Invariant: a build accepts the schema it was made for and, besides, the `pre` migrations of the next schema version.
"""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import asyncpg

from shared.errors import Misconfigured, Unavailable
from shared.postgres.connections import Pool, connection
from shared.runtime.retry import attempts

SUMS = Path(__file__).with_name("migrations.sum")
"""A line for each migration of this build; `python -m deploy.postgres.sums` writes it."""

APPLIED = """
SELECT name, sha256, coalesce((to_jsonb(migration) ->> 'schema_version')::integer, 1) AS schema_version
FROM migration ORDER BY name
"""
"""What was applied. Builds up to schema version 1 made the table without the column `schema_version`."""


class Migration(NamedTuple):
    """A migration as a build knows it, or as it was applied."""

    name: str
    sha256: str
    schema_version: int

    @property
    def phase(self) -> str:
        """`pre` is compatible with the build before; `post` needs that build gone."""
        return self.name.split("_")[1]

    def __str__(self) -> str:
        return f"{self.name} (schema version {self.schema_version})"


def of_this_build() -> list[Migration]:
    """The migrations that this build knows, in order."""
    rows = [line.split() for line in SUMS.read_text().splitlines()]
    return [Migration(name, sha256, int(version)) for sha256, version, name in rows]


def mismatches(known: Sequence[Migration], applied: Sequence[Migration]) -> list[str]:
    """What was applied and does not fit a build with the migrations `known`; one sentence each."""
    by_name = {migration.name: migration for migration in known}
    version = known[-1].schema_version
    problems = []
    for migration in applied:
        ours = by_name.get(migration.name)
        if ours is None and (migration.phase, migration.schema_version) != ("pre", version + 1):
            problems.append(
                f"{migration} was applied by another build; this build has schema version {version} and accepts "
                f"no more than the `pre` migrations of version {version + 1}: upgrade this build (docs/OPERATIONS.md, "
                "Rolling upgrade; `tidegauge version` prints what runs)"
            )
        elif ours is not None and ours.sha256 != migration.sha256:
            problems.append(
                f"{migration} was changed after it was applied: restore the file, and put the change into a new one "
                "(a local system may forget its data instead: `tidegauge up --fresh`)"
            )
    return problems


def missing(known: Sequence[Migration], applied: Sequence[Migration]) -> list[str]:
    """What a build cannot start without: all its migrations but the `post` ones of its own schema version."""
    names = {migration.name for migration in applied}
    own_post = ("post", known[-1].schema_version)
    absent = [one for one in known if one.name not in names and (one.phase, one.schema_version) != own_post]
    if not absent:
        return []
    first, rest = absent[0], len(absent) - 1
    more = f", and {rest} after it," if rest else ""
    return [
        (
            f"{first}{more} was not applied; this build has schema version {known[-1].schema_version}: "
            f"run `tidegauge migrate --{first.phase}`, or `tidegauge migrate` when no other build is running"
        )
    ]


async def check(pool: Pool) -> None:
    """Raise `Misconfigured` unless this build accepts the schema, `Unavailable` when Postgres does not answer."""
    async with connection(pool) as conn:
        try:
            applied = [Migration(*row) for row in await conn.fetch(APPLIED)]
        except asyncpg.UndefinedTableError:  # nothing was ever applied
            applied = []
    known = of_this_build()
    if problems := mismatches(known, applied) + missing(known, applied):
        raise Misconfigured("\n".join(problems))


async def require(pool: Pool, stopping: asyncio.Event) -> None:
    """Wait until Postgres answers, then check; returns unchecked when `stopping` is set."""
    async for attempt in attempts("waiting for Postgres", Unavailable):
        with attempt:
            if not stopping.is_set():
                await check(pool)


def require_beside(pool: Pool, stopping: asyncio.Event) -> asyncio.Task[None]:
    """The same beside other work: a refusal sets `stopping`; await the task at the end, it raises the refusal."""

    def ended(task: asyncio.Task[None]) -> None:
        if task.cancelled() or task.exception() is not None:
            stopping.set()

    task = asyncio.create_task(require(pool, stopping), name="schema check")
    task.add_done_callback(ended)
    return task
