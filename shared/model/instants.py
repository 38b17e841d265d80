"""Instants as text, for formats that require it.

An instant is integer milliseconds UTC in Python and RFC 3339 with three decimals as text.
"""

from datetime import UTC, datetime, timedelta

MAX_MS = 253_402_300_799_999
"""The last millisecond of the year 9999: later instants have no text."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def text_of(instant_ms: int) -> str:
    """The instant as `2026-11-05T12:00:00.000Z`."""
    instant = _EPOCH + timedelta(milliseconds=instant_ms)
    return instant.replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z"
