"""The errors of Postgres at our border, told apart by their SQLSTATE.

A server that is down, frozen, too slow or read-only, or that does not let us in, is `Unavailable`: a failover brings
all of these for a while. What else Postgres refuses is a bug in a statement of ours; it is passed on and ends the
process. Source: PostgreSQL manual, appendix A.
"""

import traceback
from collections.abc import Iterator
from contextlib import contextmanager

import asyncpg

from shared.errors import Misconfigured, Unavailable

CLASSES = frozenset({"08", "28", "40", "53", "57", "58"})
"""Connection; who we are (a password that was rotated); rolled back; out of resources; an operator; the machine."""

STATES = frozenset(
    {
        "25006",  # read-only: a standby, or a primary that is about to be one
        "25P03", "25P04",  # a session or transaction that was idle or open for too long
        "26000",  # a prepared statement that the server does not know: a pooler went to another one
        "3D000",  # no such database, yet
        "42501",  # a right that was not granted
        "42P01", "42883",  # a table or function that was not made
        "55000", "55006", "55P03",  # not in the state for it, in use, locked
    }
)  # fmt: skip
"""Single ones beside the classes."""

BUGS = frozenset({"40002"})
"""Single ones that their class does not hold for: a constraint that is violated at the end of a transaction."""

_REMEDIES = {
    "42501": "`tidegauge roles` grants what is missing",
    "42P01": "`tidegauge migrate` makes what is missing",
    "42883": "`tidegauge migrate` makes what is missing",
}

_LEFT_BEHIND = frozenset({"25006", "26000"})
"""After these, another connection may lead to a server that can do the work."""

_CAUGHT = (
    OSError,
    TimeoutError,
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    AttributeError,
    RuntimeError,
)


def is_unavailable(error: BaseException) -> bool:
    """Whether the same call may succeed later."""
    if isinstance(error, asyncpg.PostgresError):
        return _is_worth_another(error)
    if isinstance(error, asyncpg.InterfaceError):
        # One that is a ValueError is asyncpg's word for an argument of a wrong type: a bug of ours.
        return not isinstance(error, ValueError)
    if isinstance(error, (AttributeError, RuntimeError)):
        return _is_of_driver(error)
    return isinstance(error, (OSError, TimeoutError, asyncpg.InternalClientError))


def breaks_connection(error: BaseException) -> bool:
    """Whether the connection must not be used again: its server, or the driver's account of it, is wrong."""
    if isinstance(error, asyncpg.PostgresError):
        return error.sqlstate in _LEFT_BEHIND
    return isinstance(error, asyncpg.InternalClientError) or (
        isinstance(error, (AttributeError, RuntimeError)) and _is_of_driver(error)
    )


@contextmanager
def guard() -> Iterator[None]:
    """Turn the errors of an absent, empty or overwhelmed Postgres into `Unavailable`.

    Raises `Misconfigured` for an address that cannot be read.
    """
    try:
        yield
    except asyncpg.ClientConfigurationError as error:
        raise Misconfigured(f"the address of Postgres: {error}") from error
    except _CAUGHT as error:
        if not is_unavailable(error):
            raise
        remedy = _REMEDIES.get(getattr(error, "sqlstate", None) or "")
        raise Unavailable("postgres", f"{error}; {remedy}" if remedy else repr(error)) from error


def blames_data(problem: BaseException) -> bool:
    """Whether an error may come from the values of a statement: not what Postgres says of a schema or a role."""
    of_data = (
        asyncpg.DataError,
        asyncpg.IntegrityConstraintViolationError,
        asyncpg.ProgramLimitExceededError,
    )
    return not isinstance(problem, asyncpg.PostgresError) or isinstance(problem, of_data)


def _is_worth_another(error: asyncpg.PostgresError) -> bool:
    state = error.sqlstate or ""
    if isinstance(error, asyncpg.InvalidCachedStatementError):  # a migration has changed a table under us
        return True
    return (state in STATES or state[:2] in CLASSES) and state not in BUGS


def _is_of_driver(error: BaseException) -> bool:
    """Whether the driver itself failed.

    Release 0.32.0 of asyncpg does in a COPY that meets our limit and the server's at once, and uvloop 0.23 when one
    writes to a connection that was just reset.
    """
    frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
    return bool(frames) and str(frames[-1].f_globals.get("__name__", "")).startswith(("asyncpg", "uvloop"))
