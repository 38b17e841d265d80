"""The Redis client, and the mapping of its errors to ours.

Everything in Redis can be rebuilt, so the limits are short, in seconds. A Redis that is down, full or frozen raises
`Unavailable`.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import redis.asyncio as redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from shared.errors import Unavailable

SOCKET_S = 0.5
"""Bound on one operation on the socket."""

Client = redis.Redis


def client(url: str) -> Client:
    """A client that retries once and keeps replies as bytes; connects when first used."""
    return redis.Redis.from_url(
        url,
        socket_timeout=SOCKET_S,
        socket_connect_timeout=SOCKET_S,
        retry=Retry(NoBackoff(), 1),
        health_check_interval=0,
    )


@contextmanager
def guard() -> Iterator[None]:
    """Raise `Unavailable` for the errors of an absent Redis."""
    try:
        yield
    except (RedisError, OSError, TimeoutError) as error:
        raise Unavailable("redis", repr(error)) from error
