"""What Prometheus answers in place of data: one exception with the kind of error that its clients know.

Invariant: `bad_data` is said of a request that cannot be read, `execution` of one that can be read and not answered.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

from shared.promql.errors import NotPromql, Place, PromqlError, TooLong

ErrorType = Literal[
    "bad_data", "execution", "timeout", "unavailable", "not_found", "unauthorized", "internal"
]


class QueryError(Exception):
    """A query or a parameter that is not answered with data."""

    def __init__(self, error_type: ErrorType, message: str) -> None:
        super().__init__(message)
        self.error_type = error_type
        self.message = message


def bad_data(message: str) -> QueryError:
    """The request cannot be read."""
    return QueryError("bad_data", message)


def unparsed(message: str, place: Place | None = None) -> QueryError:
    """The query is not PromQL."""
    where = f"{place.line}:{place.column}: " if place else ""
    return bad_data(f'invalid parameter "query": {where}parse error: {message}')


def execution(message: str, place: Place | None = None) -> QueryError:
    """The query can be read, and is not answered; says what is in the way, and where."""
    return QueryError("execution", f"{place.line}:{place.column}: {message}" if place else message)


@contextmanager
def answered() -> Iterator[None]:
    """Answer what is wrong with a text of PromQL as Prometheus does."""
    try:
        yield
    except NotPromql as error:
        raise unparsed(error.message, error.place) from error
    except TooLong as error:
        raise bad_data(f'invalid parameter "query": {error.message}') from error
    except PromqlError as error:
        raise execution(error.message, error.place) from error
