"""The windows that rules with ranges look back on, in Postgres, within the pump's transaction.

Times are milliseconds UTC. One row a commit that closed such windows; a row goes when no range reaches it.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from services.alerts.evaluation.domain.history import HistoryWork, KeptWindows
from services.alerts.evaluation.service import AlertWork
from shared.errors import Misconfigured, Rejected, UnknownVersion
from shared.postgres.connections import Connection
from shared.stream.processor import Cut, Key, Stored
from shared.wire import rollups
from shared.wire.versions import NEW

_PLACES = "SELECT * FROM unnest($1::text[], $2::integer[]) AS place (topic, partition)"

_WINDOWS = f"""
WITH place AS ({_PLACES})
SELECT topic, partition, body FROM alert_window JOIN place USING (topic, partition)
ORDER BY topic, partition, next_offset
"""  # noqa: S608 # a constant of this module
_COVERAGE = f"""
WITH place AS ({_PLACES})
SELECT topic, partition, leaf, since_ms FROM alert_coverage JOIN place USING (topic, partition)
"""  # noqa: S608 # a constant of this module

_FORGET = "DELETE FROM alert_window WHERE topic = $1 AND partition = $2 AND last_start_ms < $3"
_KEEP = """
INSERT INTO alert_window (topic, partition, next_offset, last_start_ms, body) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (topic, partition, next_offset) DO UPDATE SET last_start_ms = excluded.last_start_ms, body = excluded.body
"""
_UNCOVER = "DELETE FROM alert_coverage WHERE topic = $1 AND partition = $2"
_COVER = """
INSERT INTO alert_coverage (topic, partition, leaf, since_ms)
SELECT $1, $2, leaf, since_ms FROM unnest($3::text[], $4::bigint[]) AS leaf (leaf, since_ms)
"""


class Kept(NamedTuple):
    """What was kept of a partition."""

    windows: list[KeptWindows]
    since_ms: dict[str, int]


class HistoryTables:
    """The tables `alert_window` and `alert_coverage`."""

    async def restore(
        self, conn: Connection, stored: Mapping[Key, Stored]
    ) -> dict[Key, Kept | UnknownVersion]:
        """What was kept of these partitions, in the order in which it came; an error where another build wrote it."""
        found = {key: Kept([], {}) for key in stored}
        if not found:
            return {}
        places = [list(column) for column in zip(*found, strict=True)]
        for row in await conn.fetch(_COVERAGE, *places):
            found[Key(row["topic"], row["partition"])].since_ms[row["leaf"]] = row["since_ms"]
        unread: dict[Key, UnknownVersion] = {}
        for row in await conn.fetch(_WINDOWS, *places):
            key = Key(row["topic"], row["partition"])
            try:
                read = rollups.decode(row["body"])
            except UnknownVersion as error:
                unread[key] = error
                continue
            except Rejected as problem:
                raise Misconfigured(
                    f"the windows that rules of {key.topic} {key.partition} look back on cannot be read "
                    f"({problem.message}). Begin the alerts of the partition anew: "
                    f"`tidegauge partitions reset {key.topic} {key.partition} --to latest --without-state`"
                ) from problem
            found[key].windows.append(KeptWindows(read.series, read.rollups))
        return {**found, **unread}

    async def save(self, conn: Connection, cuts: Sequence[Cut[AlertWork]]) -> None:
        """Write what has changed."""
        for cut in cuts:
            await self._save(conn, cut, cut.checkpoint.work.history)

    async def _save(self, conn: Connection, cut: Cut[AlertWork], work: HistoryWork) -> None:
        if work.reached_ms is not None:
            await conn.execute(_FORGET, *cut.key, work.reached_ms)
        if work.added is not None:
            await conn.execute(_KEEP, *_row(cut, work.added))
        if work.since_ms is not None:
            await conn.execute(_UNCOVER, *cut.key)
            await conn.execute(_COVER, *cut.key, list(work.since_ms), list(work.since_ms.values()))


def _row(cut: Cut[AlertWork], kept: KeptWindows) -> tuple[Any, ...]:
    """The newest version, since no other build reads the table."""
    time_ms = cut.checkpoint.watermark_ms or 0
    windows = rollups.WindowBatch(cut.key.partition, True, cut.end, time_ms, kept.series, kept.rows)
    return *cut.key, cut.end, int(kept.rows.start_ms.max()), rollups.encode(windows, NEW)
