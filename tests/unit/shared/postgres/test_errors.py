"""The border to Postgres: which of its errors are worth another try, and what becomes of the connection.

Source: PostgreSQL manual, appendix A; faults.md, "Postgres read-only for 20 s" and "a COPY that meets …".
"""

import asyncpg
import pytest
from asyncpg.exceptions import _base

from shared.errors import Misconfigured, Unavailable
from shared.postgres.errors import breaks_connection, guard

FAILOVER = {
    "08006": "connection_failure",
    "25006": "read_only_sql_transaction",
    "25P03": "idle_in_transaction_session_timeout",
    "25P04": "transaction_timeout",
    "26000": "invalid_sql_statement_name",
    "28000": "invalid_authorization_specification",
    "28P01": "invalid_password",
    "3D000": "invalid_catalog_name",
    "40001": "serialization_failure",
    "40003": "statement_completion_unknown",
    "40P01": "deadlock_detected",
    "42501": "insufficient_privilege",
    "42P01": "undefined_table",
    "42883": "undefined_function",
    "53100": "disk_full",
    "53200": "out_of_memory",
    "53300": "too_many_connections",
    "55000": "object_not_in_prerequisite_state",
    "55006": "object_in_use",
    "55P03": "lock_not_available",
    "57014": "query_canceled",
    "57P01": "admin_shutdown",
    "57P02": "crash_shutdown",
    "57P03": "cannot_connect_now",
    "57P05": "idle_session_timeout",
    "58030": "io_error",
}
"""What a failover, a full or overwhelmed server, a rotated password and a missing grant or table say."""

BUGS = {
    "0A000": "feature_not_supported",
    "22003": "numeric_value_out_of_range",
    "22P02": "invalid_text_representation",
    "23505": "unique_violation",
    "23514": "check_violation",
    "25P02": "in_failed_sql_transaction",
    "40002": "transaction_integrity_constraint_violation",
    "42601": "syntax_error",
    "42703": "undefined_column",
    "42P07": "duplicate_table",
    "54000": "program_limit_exceeded",
    "XX000": "internal_error",
    "ZZ999": "of a later release",
}
"""What Postgres would refuse again."""


def of_state(state: str) -> asyncpg.PostgresError:
    """The error that asyncpg makes of what the server says."""
    error = asyncpg.PostgresError.new({"C": state, "M": "said"})
    assert isinstance(error, asyncpg.PostgresError)
    return error


@pytest.mark.parametrize("state", [pytest.param(state, id=name) for state, name in FAILOVER.items()])
def test_what_may_be_better_in_a_moment_is_unavailable(state: str) -> None:
    """By its SQLSTATE, with its cause."""
    error = of_state(state)

    with pytest.raises(Unavailable) as caught, guard():
        raise error

    assert error is caught.value.__cause__


@pytest.mark.parametrize("state", [pytest.param(state, id=name) for state, name in BUGS.items()])
def test_refused_statement_is_a_bug(state: str) -> None:
    """It is passed on and ends the process."""
    error = of_state(state)

    with pytest.raises(type(error)) as caught, guard():
        raise error

    assert error is caught.value


@pytest.mark.parametrize(
    "error",
    [
        OSError("refused"),
        TimeoutError(),
        asyncpg.InterfaceError("connection is closed"),
        asyncpg.InternalClientError("another operation is in progress"),
        asyncpg.TargetServerAttributeNotMatched("none of the hosts is read-write"),
        asyncpg.OutdatedSchemaCacheError("the table was changed"),
        asyncpg.InvalidCachedStatementError("the table was changed"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_absent_server_is_unavailable(error: Exception) -> None:
    """So is one that only the driver has something to say of."""
    with pytest.raises(Unavailable), guard():
        raise error


@pytest.mark.parametrize(
    "error",
    [_base.DataError("invalid input for query argument"), AttributeError("a slip of ours")],
    ids=lambda error: type(error).__name__,
)
def test_a_slip_of_our_own_is_a_bug(error: Exception) -> None:
    """Although the driver's own slips have the same class."""
    with pytest.raises(type(error)), guard():
        raise error


@pytest.mark.parametrize(
    ("state", "command"), [("42P01", "migrate"), ("42883", "migrate"), ("42501", "roles")]
)
def test_what_is_missing_names_the_command_that_brings_it(state: str, command: str) -> None:
    """A database without our tables or grants is not ready."""
    with pytest.raises(Unavailable, match=f"`tidegauge {command}`"), guard():
        raise of_state(state)


def test_an_address_that_cannot_be_read_is_misconfigured() -> None:
    """Starting again does not help."""
    with pytest.raises(Misconfigured, match="address of Postgres"), guard():
        raise asyncpg.ClientConfigurationError("invalid port")


@pytest.mark.parametrize(
    ("error", "broken"),
    [
        pytest.param(of_state("25006"), True, id="read-only"),
        pytest.param(of_state("26000"), True, id="forgotten by a pooler"),
        pytest.param(asyncpg.InternalClientError("state"), True, id="driver"),
        pytest.param(of_state("57014"), False, id="cancelled"),
        pytest.param(of_state("55P03"), False, id="locked"),
        pytest.param(of_state("23505"), False, id="bug"),
        pytest.param(AttributeError("ours"), False, id="slip"),
    ],
)
def test_a_connection_that_leads_to_the_wrong_server_is_not_used_again(
    error: Exception, *, broken: bool
) -> None:
    """After a failover the address leads to another one; what is merely slow keeps its connection."""
    assert broken == breaks_connection(error)
