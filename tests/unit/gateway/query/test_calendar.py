"""Windows of calendars and how instants are written: days of twelve zones, ranges that lie long ago, wall times."""

from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pytest

from services.gateway.query.questions import calendar
from services.gateway.query.questions.question import AskBody, QuestionBody, Refused, question
from shared.errors import Rejected

MINUTE_MS, HOUR_MS, DAY_MS = 60_000, 3_600_000, 86_400_000
NOW_MS = 1_793_000_000_000 - 1_793_000_000_000 % DAY_MS + 10 * HOUR_MS
"""Ten in the morning of a day in October 2026."""

ZONES = (
    "Europe/Berlin", "America/New_York", "America/Sao_Paulo", "Africa/Cairo", "America/Santiago", "Asia/Kathmandu",
    "Asia/Kolkata", "Australia/Lord_Howe", "Pacific/Chatham", "Pacific/Kiritimati", "Atlantic/Azores", "UTC",
)  # fmt: skip


def days_of(zone: str, first: datetime, days: int) -> list[tuple[int, int]]:
    """Days of a zone by another way: minute by minute, a day is all minutes of one local date."""
    start_ms = int(first.timestamp() * 1000)
    dates: dict[Any, list[int]] = {}
    for minute in range(-2 * 1440, (days + 3) * 1440, 15):
        at_ms = start_ms + minute * MINUTE_MS
        local = datetime.fromtimestamp(at_ms / 1000, ZoneInfo(zone)).date()
        dates.setdefault(local, []).append(at_ms)
    spans = [(times[0], times[-1] + 15 * MINUTE_MS) for _, times in sorted(dates.items())]
    return spans[1:-1]


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize(
    "first",
    [
        datetime(2026, month, day, tzinfo=UTC)
        for month, day in ((3, 6), (3, 27), (4, 3), (4, 22), (9, 4), (9, 25))
    ]
    + [datetime(2026, month, day, tzinfo=UTC) for month, day in ((10, 2), (10, 23), (10, 30))]
    + [datetime(2018, 11, 2, tzinfo=UTC), datetime(2019, 2, 15, tzinfo=UTC)],
    ids=lambda first: first.date().isoformat(),
)
def test_days_are_those_of_the_zone_across_changes_of_the_clock(zone: str, first: datetime) -> None:
    """Also where the clock changes at midnight, by half an hour, or not at all."""
    first_ms = int(first.timestamp() * 1000)
    to_ms = first_ms + 5 * DAY_MS

    found = calendar.windows(first_ms, to_ms, "1d", ZoneInfo(zone), to_ms)

    spans = list(zip(found.begin_ms.tolist(), found.end_ms.tolist(), strict=True))
    assert [span for span in days_of(zone, first, 5) if span[1] > first_ms and span[0] < to_ms] == spans


def test_a_short_range_that_lies_long_ago_is_asked_of_the_archive() -> None:
    """Since when it has rows, to the day; 400 days is how long a range may be, not how old."""
    from_ms, to_ms = NOW_MS - 500 * DAY_MS, NOW_MS - 499 * DAY_MS
    body = msgspec.convert({"metric": "a", "from": from_ms, "to": to_ms, "resolution": "1h"}, QuestionBody)
    archived = {900_000: from_ms}

    found = question(body, AskBody([]), 1, NOW_MS, archived).windows

    assert (from_ms, to_ms, 900_000) == (found.begin_ms[0], found.end_ms[-1], found.tier_ms)
    with pytest.raises(Refused, match="ask for a from of 2025-06-15 or later"):
        question(body, AskBody([]), 1, NOW_MS, {900_000: NOW_MS - 498 * DAY_MS})


TIMES = {
    "milliseconds": (NOW_MS, NOW_MS),
    "milliseconds as text": (str(NOW_MS), NOW_MS),
    "RFC 3339": ("2026-10-26T10:00:00.001Z", 1_793_008_800_001),
    "an offset": ("2026-10-26T11:00:00+01:00", 1_793_008_800_000),
    "an offset of a query string, whose plus is a blank": ("2026-10-26T11:00:00 01:00", 1_793_008_800_000),
    "now": ("now", NOW_MS),
    "a span ago": ("now-6h", NOW_MS - 6 * HOUR_MS),
}
"""How an instant is written, and which it is."""


@pytest.mark.parametrize("zone", [None, ZoneInfo("Europe/Berlin")], ids=["no zone", "a zone"])
@pytest.mark.parametrize(("written", "at_ms"), TIMES.values(), ids=TIMES)
def test_an_instant_is_read_alike_wherever_it_is_asked_for(
    written: str | int, at_ms: int, zone: ZoneInfo | None
) -> None:
    """In questions and in the parameters of other routes, which have no zone."""
    assert at_ms == calendar.time_of("from", written, zone, NOW_MS)


def test_a_wall_time_needs_a_zone() -> None:
    """A route without a zone refuses it; in Berlin it is an hour earlier in winter."""
    with pytest.raises(Rejected, match="from: must be milliseconds, RFC 3339 with a zone, or now-6h"):
        calendar.time_of("from", "2026-10-26 11:00", None, NOW_MS)

    found = calendar.time_of("from", "2026-10-26 11:00", ZoneInfo("Europe/Berlin"), NOW_MS)

    assert 1_793_008_800_000 == found
