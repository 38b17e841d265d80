"""Wires the exports: a pool of connections of their own, so that no other question waits for one.

Seconds. Nothing is connected before the first export.
"""

from dataclasses import dataclass

from fastapi import APIRouter

from services.gateway.auth.key_cache import KeyCache
from services.gateway.query.exports import http
from services.gateway.query.exports.answered import AnsweredRows
from services.gateway.query.exports.asked.export import TableRows
from services.gateway.query.exports.postgres import PostgresRows, exports_pool
from services.gateway.query.exports.status import Statuses
from services.gateway.query.exports.underway import MAX_EXPORTS, Exports, Rows
from services.gateway.query.questions.answering import Answering
from services.gateway.query.questions.question import Question
from services.gateway.settings import Settings
from shared.ledger import queries
from shared.postgres.connections import Pool
from shared.runtime import redis


@dataclass(frozen=True, slots=True)
class Wired:
    """The exports with their routes."""

    router: APIRouter
    exports: Exports
    tables: Pool

    def close(self) -> None:
        """Let go of what only they have."""
        self.exports.close()
        self.tables.terminate()


async def wired(settings: Settings, key_cache: KeyCache, cache: redis.Client, answering: Answering) -> Wired:
    """Wire them."""
    longest_s, prefix = settings.export_ms / 1000, settings.topic_prefix
    tables = await exports_pool(settings.postgres, MAX_EXPORTS, longest_s)
    sources: dict[type, Rows] = {
        TableRows: PostgresRows(tables, queries.topics(prefix), longest_s),
        Question: AnsweredRows(answering),
    }
    exports = Exports(sources, Statuses(cache, prefix), longest_s)
    return Wired(http.router(key_cache, exports, answering.archived_since), exports, tables)
