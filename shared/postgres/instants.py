"""Instants at the border: milliseconds UTC inside, `datetime` for Postgres and for what clients write.

An instant always has a time zone. Whole milliseconds are converted without rounding.
"""

from datetime import UTC, datetime, timedelta

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MILLISECOND = timedelta(milliseconds=1)


def at(ms: int) -> datetime:
    """The instant as Postgres takes it."""
    return EPOCH + ms * MILLISECOND


def ms_of(instant: datetime) -> int:
    """The instant in milliseconds UTC; what lies between two of them belongs to the earlier."""
    return (instant - EPOCH) // MILLISECOND
