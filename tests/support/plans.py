"""How Postgres ran the statements of an adapter: which indexes it used, which tables it read from end to end.

The extension auto_explain sends the plan of each statement along with its result, so that a test names no SQL. What
counts is what was done, not what was estimated: a node that was never run is left out. A partition and its indexes go
by the names of their parents.
"""

import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, cast

import asyncpg

from shared.postgres.connections import Connection, Pool

FEW = 100
"""Rows of a table that may be read from end to end: it is empty or tiny."""

_LOADED = """
LOAD 'auto_explain';
SET auto_explain.log_min_duration = 0;
SET auto_explain.log_level = notice;
SET auto_explain.log_format = json;
SET auto_explain.log_analyze = on;
SET auto_explain.log_timing = off;
"""

_PARENTS = """
SELECT child.relname, parent.relname
FROM pg_inherits JOIN pg_class child ON child.oid = inhrelid JOIN pg_class parent ON parent.oid = inhparent
"""


@dataclass
class Plans:
    """What the statements did so far."""

    parents: dict[str, str] = field(default_factory=dict)
    """Partition or index of a partition -> the table or index that it is part of."""
    found: list[dict[str, Any]] = field(default_factory=list)

    def hear(self, _: object, message: Any) -> None:
        """Keep a plan that the server sends; other notices are none."""
        _, is_plan, plan = message.message.partition("plan:\n")
        if is_plan:
            self.found.append(json.loads(plan)["Plan"])

    @property
    def indexes(self) -> set[str]:
        """Indexes that were searched, or asked for a conflict."""
        return {self._parent(name) for node in self._run() for name in _indexes(node)}

    @property
    def read_whole(self) -> set[str]:
        """Tables of which more than a few rows were read from end to end, or an index from end to end."""
        return {
            self._parent(_relation(node)) for node in self._run() if _is_whole(node) and _rows(node) > FEW
        }

    def partitions(self, table: str) -> int:
        """How many partitions of a table were read."""
        read = {node["Relation Name"] for node in self._run() if "Relation Name" in node}
        return sum(name != table and self._parent(name) == table for name in read)

    def rows_of(self, table: str) -> int:
        """How many rows of a table were read, those included that a filter then left out."""
        return sum(
            _rows(node) for node in self._run() if self._parent(node.get("Relation Name", "")) == table
        )

    def _run(self) -> Iterator[dict[str, Any]]:
        nodes = (node for plan in self.found for node in _nodes(plan) if node["Actual Loops"])
        # asyncpg asks the catalogue about types that it meets for the first time.
        return (node for node in nodes if not _relation(node).startswith("pg_"))

    def _parent(self, name: str) -> str:
        return self.parents.get(name, name)


@dataclass(frozen=True)
class ExplainedPool:
    """One connection in place of a pool, as adapters take connections from one."""

    conn: Connection

    @asynccontextmanager
    async def acquire(self, *, timeout: float | None = None) -> AsyncIterator[Connection]:
        """The connection; nobody waits for it."""
        yield self.conn
        # The plan of a statement is sent when its portal goes, which within a transaction is at the next statement.
        await self.conn.execute("SELECT")


@asynccontextmanager
async def explaining(dsn: str, **settings: str) -> AsyncIterator[tuple[Pool, Plans]]:
    """A pool whose statements are explained; nothing that they write stays."""
    conn = await asyncpg.connect(dsn, server_settings=settings)
    await conn.execute(_LOADED)
    plans = Plans(dict(await conn.fetch(_PARENTS)))
    conn.add_log_listener(plans.hear)
    transaction = conn.transaction()
    await transaction.start()
    try:
        yield cast("Pool", ExplainedPool(cast("Connection", conn))), plans
    finally:
        await transaction.rollback()
        await conn.close()


def _nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for part in plan.get("Plans", ()):
        yield from _nodes(part)


def _indexes(node: dict[str, Any]) -> list[str]:
    searched = [node["Index Name"]] if "Index Name" in node else []
    return searched + list(node.get("Conflict Arbiter Indexes", ()))


def _is_whole(node: dict[str, Any]) -> bool:
    kind = node["Node Type"]
    return kind == "Seq Scan" or (kind.startswith(("Index", "Bitmap Index")) and "Index Cond" not in node)


def _relation(node: dict[str, Any]) -> str:
    return str(node.get("Relation Name", node.get("Index Name", "")))


def _rows(node: dict[str, Any]) -> int:
    left_out = node.get("Rows Removed by Filter", 0) + node.get("Rows Removed by Index Recheck", 0)
    return int((node["Actual Rows"] + left_out) * node["Actual Loops"])
