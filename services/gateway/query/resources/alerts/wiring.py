"""Wires what is asked of alerts, and what people do about them.

Nothing is connected yet: pools are handed in.
"""

from collections.abc import Iterator

from fastapi import APIRouter

from services.gateway.auth.key_cache import KeyCache
from services.gateway.query.resources.alerts import http
from services.gateway.query.resources.alerts.acts import Acts
from services.gateway.query.resources.alerts.alertmanager import http as http_alertmanager
from services.gateway.query.resources.alerts.alertmanager.receivers import PostgresReceivers
from services.gateway.query.resources.alerts.notes import http as http_notes
from services.gateway.query.resources.alerts.notes.postgres import PostgresNotes
from services.gateway.query.resources.alerts.postgres import PostgresAlerts
from services.gateway.query.resources.alerts.silences import http as http_silences
from services.gateway.query.resources.alerts.silences.postgres import PostgresSilences
from shared.postgres.connections import Pool

PATHS = (*http.PATHS, http_silences.PATH, *http_alertmanager.PATHS)
"""What is answered here with GET."""

POSTED = (http_silences.PATH, http_silences.PREVIEW, *http_notes.PATHS, http_alertmanager.SILENCES)
"""The same with POST."""

DELETED = (http_silences.OF_SILENCE, http_alertmanager.SILENCE)
"""The same with DELETE."""


def routers(key_cache: KeyCache, pool: Pool, tables: Pool) -> Iterator[APIRouter]:
    """The routes, bound to their dependencies: `pool` writes, `tables` answers reports."""
    notes, silences = PostgresNotes(pool, tables), PostgresSilences(pool, tables)
    yield http.router(key_cache, PostgresAlerts(tables), Acts(notes, silences))
    yield http_notes.router(key_cache, notes)
    yield http_silences.router(key_cache, silences)
    yield http_alertmanager.router(key_cache, PostgresAlerts(tables), silences, PostgresReceivers(tables))
