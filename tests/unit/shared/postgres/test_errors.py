"""The border to Postgres: which of its errors are worth another try."""

import asyncpg
import pytest
from asyncpg.exceptions import _base

from shared.errors import Unavailable
from shared.postgres.errors import guard


@pytest.mark.parametrize(
    "error",
    [
        OSError("refused"),
        TimeoutError(),
        asyncpg.ConnectionDoesNotExistError("gone"),
        asyncpg.CannotConnectNowError("starting"),
        asyncpg.AdminShutdownError("stopping"),
        asyncpg.QueryCanceledError("too slow"),
        asyncpg.TooManyConnectionsError("full"),
        asyncpg.DiskFullError("full"),
        asyncpg.LockNotAvailableError("held"),
        asyncpg.DeadlockDetectedError("deadlock"),
        asyncpg.InterfaceError("connection is closed"),
        asyncpg.InternalClientError("another operation is in progress"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_absent_or_overwhelmed_server_is_unavailable(error: Exception) -> None:
    """What may be better in a moment is `Unavailable`, with its cause."""
    with pytest.raises(Unavailable) as caught, guard():
        raise error

    assert error is caught.value.__cause__


def test_missing_table_says_what_to_do() -> None:
    """A database without our tables is not ready, and the message names the command."""
    with pytest.raises(Unavailable, match="tidegauge migrate"), guard():
        raise asyncpg.UndefinedTableError('relation "series" does not exist')


@pytest.mark.parametrize(
    "error",
    [
        asyncpg.UniqueViolationError("twice"),
        asyncpg.PostgresSyntaxError("bad"),
        asyncpg.CheckViolationError("sum"),
        _base.DataError("invalid input for query argument"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_refused_statement_is_a_bug(error: Exception) -> None:
    """What Postgres would refuse again is passed on and ends the process."""
    with pytest.raises(type(error)), guard():
        raise error
