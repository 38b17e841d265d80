"""The client of Redis, and its errors at our border.

Redis holds nothing that cannot be rebuilt, so its limits are short. The law: a Redis that is down, full or frozen
is `Unavailable` within two seconds, and no caller may need it to be right.
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
    """Turn the errors of an absent Redis into `Unavailable`."""
    try:
        yield
    except (RedisError, OSError, TimeoutError) as error:
        raise Unavailable("redis", repr(error)) from error
