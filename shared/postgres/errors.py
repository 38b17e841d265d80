"""The errors of Postgres at our border.

A server that is down, frozen or too slow is `Unavailable`. Everything else that Postgres refuses is a bug in a
statement of ours; it is passed on and ends the process.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import asyncpg

from shared.errors import Unavailable

_DOWN = (
    OSError,
    TimeoutError,
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.LockNotAvailableError,
    asyncpg.DeadlockDetectedError,
    asyncpg.SerializationError,
    asyncpg.IdleInTransactionSessionTimeoutError,
    # What asyncpg says of a session that the server has ended, until it has also seen the connection close.
    asyncpg.InternalClientError,
)


@contextmanager
def guard() -> Iterator[None]:
    """Turn the errors of an absent, empty or overwhelmed Postgres into `Unavailable`."""
    try:
        yield
    except (asyncpg.UndefinedTableError, asyncpg.UndefinedFunctionError) as error:
        raise Unavailable("postgres", f"{error}; `tidegauge migrate` makes what is missing") from error
    except _DOWN as error:
        if isinstance(error, ValueError):  # asyncpg's word for an argument of a wrong type: a bug of ours
            raise
        raise Unavailable("postgres", repr(error)) from error
