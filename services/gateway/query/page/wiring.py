"""Wires what the page asks beside figures.

Seconds. Nothing is connected yet.
"""

from collections.abc import Iterator

from fastapi import APIRouter

from services.gateway.auth.key_cache import KeyCache
from services.gateway.auth.session import Sessions
from services.gateway.query.feed.feed import Feed
from services.gateway.query.page import saved_views
from services.gateway.query.page.keys import http as http_keys
from services.gateway.query.page.keys.postgres import PostgresKeys
from services.gateway.query.page.live import http as http_live
from services.gateway.query.page.live.alerts import AlertFeed
from services.gateway.query.page.live.hub import Hub
from services.gateway.query.page.live.transitions import PostgresTransitions
from services.gateway.query.page.session import http as http_session
from services.gateway.query.page.session.postgres import PostgresKeyNames
from services.gateway.query.questions.answering import Answering
from shared.postgres import installation
from shared.postgres.connections import Pool
from shared.runtime.clock import now_ms
from shared.runtime.redis import Client

PATHS = (http_session.PATH, http_live.PATH, http_keys.PATH, saved_views.PATH)
"""What is answered here with GET."""

POSTED = (http_session.PATH, http_keys.PATH, http_keys.ROTATED)
"""The same with POST."""

DELETED = (http_session.PATH, http_keys.OF_KEY)
"""The same with DELETE."""


def sessions(pool: Pool) -> Sessions:
    """Sessions that the secret of the installation signs."""
    return Sessions(lambda: installation.secret_now(pool), now_ms)


def live_hub(pool: Pool, feed: Feed) -> Hub:
    """The live streams, which the feed wakes."""
    hub = Hub(AlertFeed(PostgresTransitions(pool)), feed.watermark_ms)
    feed.arrived = hub.arrived
    return hub


def routers(
    key_cache: KeyCache, pool: Pool, cache: Client, answering: Answering, hub: Hub, *, views: str
) -> Iterator[APIRouter]:
    """The routes, bound to their dependencies; `views` is the folder of saved ones. Raises `Misconfigured`."""
    log_in = http_session.LogIn(key_cache, sessions(pool), PostgresKeyNames(pool), pool, cache)
    yield http_session.router(log_in)
    yield http_keys.router(key_cache, PostgresKeys(pool))
    yield http_live.router(key_cache, answering, hub)
    yield saved_views.router(key_cache, saved_views.load(views))
