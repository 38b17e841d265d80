"""Instants as clients write them, and windows of a question: fixed spans from midnight UTC, or days of a zone. Pure.

Times are milliseconds UTC. A day begins at local midnight, or at the first instant after one that does not exist; of
two midnights it begins at the first. Every zone in use is a multiple of 15 minutes away from UTC, so rows of 15 minutes
make up its days. Invariant: windows are ascending and adjoin each other.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np

from shared.errors import Rejected
from shared.model.rollup import Ints
from shared.model.window import TIERS_MS
from shared.postgres.instants import ms_of

DAY_MS = 24 * 3600 * 1000

MAX_RANGE_MS = 400 * DAY_MS
"""Longest range of a question."""

MAX_WINDOWS = 11_000
"""Most windows of a question, as Prometheus has it."""

AUTO_WINDOWS = 240
"""Most windows where the resolution is `auto`."""

KEPT_MS = dict(zip(TIERS_MS, (6 * 3600 * 1000, 14 * DAY_MS, MAX_RANGE_MS), strict=True))
"""How far back rows of each tier are kept."""

CALENDAR = ("1d", "1w", "1mo")
"""Resolutions that follow the calendar of a zone."""

WHOLE = "range"
"""The windows of `auto`, put together as one."""

LADDER = ("10s", "30s", "1m", "5m", "15m", "1h", *CALENDAR)
"""What `auto` chooses from."""

SPAN_MS = {"s": 1000, "m": 60_000, "h": 3_600_000, "d": DAY_MS, "w": 7 * DAY_MS}
"""Units of spans."""

_FIXED = re.compile(r"([1-9]\d{0,4})([smh])")
_INTEGER = re.compile(r"-?\d{1,15}")
_RELATIVE = re.compile(r"now(?:-(\d{1,9})(s|m|h|d|w))?")


@dataclass(frozen=True, slots=True, eq=False)
class Windows:
    """The windows of an answer."""

    begin_ms: Ints
    end_ms: Ints
    tier_ms: int
    """The coarsest tier that they are made of."""
    resolution: str
    zone: str

    def __len__(self) -> int:
        return len(self.begin_ms)


def zone_of(name: str) -> ZoneInfo:
    """The time zone of an IANA name; raise `Rejected` for another one."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise Rejected(
            "unknown_zone", f"tz: {name[:64]!a} is no IANA time zone such as Europe/Berlin"
        ) from error


def time_of(field: str, written: str | int, zone: ZoneInfo | None, now_ms: int) -> int:
    """An instant: milliseconds, RFC 3339, a wall time in the zone, or now less a span; raise `Rejected`.

    Without a zone a wall time means nothing, and is refused.
    """
    if isinstance(written, int):
        at_ms = written
    elif _INTEGER.fullmatch(written):
        at_ms = int(written)
    elif found := _RELATIVE.fullmatch(written):
        at_ms = now_ms - (int(found[1]) * SPAN_MS[found[2]] if found[1] else 0)
    else:
        at_ms = _at_ms(field, written, zone)
    if not 0 <= at_ms < 1 << 47:
        raise Rejected("invalid_time", f"{field}: must lie between 1970 and 6429")
    return at_ms


def _at_ms(field: str, written: str, zone: ZoneInfo | None) -> int:
    accepted = "RFC 3339, a time of day in the zone" if zone else "RFC 3339 with a zone"
    refused = Rejected("invalid_time", f"{field}: must be milliseconds, {accepted}, or now-6h and the like")
    try:
        # A plus in a query string is a blank.
        wall = datetime.fromisoformat(written[:11] + written[11:].replace(" ", "+"))
        if wall.tzinfo:
            return ms_of(wall)
        if zone:
            return wall_ms(wall, zone)
    except (ValueError, OverflowError) as error:
        raise refused from error
    raise refused


def fixed_ms(resolution: str) -> int | None:
    """Length of a fixed resolution, None for one of the calendar; raise `Rejected` for what is neither."""
    if resolution in CALENDAR:
        return None
    found = _FIXED.fullmatch(resolution)
    length = int(found[1]) * SPAN_MS[found[2]] if found else 0
    if not length or length % TIERS_MS[0] or DAY_MS % length:
        raise Rejected(
            "invalid_resolution",
            "resolution: must be auto, range, 10s or a multiple of it that divides a day, such as 1m, 5m, 15m and 1h, "
            "or 1d, 1w, 1mo",
        )
    return length


def windows(
    from_ms: int,
    to_ms: int,
    resolution: str,
    zone: ZoneInfo,
    now_ms: int,
    *,
    archived: Mapping[int, int] = {},
) -> Windows:
    """The windows that hold [from, to), whole at both ends; raise `Rejected` for too many, or what is not kept.

    `archived` says by tier since when the archive has all rows, milliseconds UTC.
    """
    if resolution == WHOLE:
        parts = windows(from_ms, to_ms, "auto", zone, now_ms, archived=archived)
        return Windows(parts.begin_ms[:1], parts.end_ms[-1:], parts.tier_ms, WHOLE, zone.key)
    if resolution == "auto":
        resolution = _auto(from_ms, to_ms, now_ms)
    length = fixed_ms(resolution)
    if length is None:
        begin_ms = np.fromiter(_edges(from_ms, to_ms, resolution, zone), np.int64)
    else:
        if (to_ms - from_ms) // length > MAX_WINDOWS:
            raise _too_many((to_ms - from_ms) // length)
        begin_ms = np.arange(from_ms - from_ms % length, to_ms + length, length, dtype=np.int64)
        begin_ms = begin_ms[: int(np.searchsorted(begin_ms, to_ms)) + 1]
    if len(begin_ms) - 1 > MAX_WINDOWS:
        raise _too_many(len(begin_ms) - 1)
    tier_ms = next(tier for tier in reversed(TIERS_MS) if length is None or length % tier == 0)
    if begin_ms[0] < kept_since_ms(tier_ms, now_ms, archived) - (length or 31 * DAY_MS):
        raise Rejected(
            "not_kept",
            f"resolution: {resolution} is not kept that far back; ask for {_kept(from_ms, now_ms, archived)}",
        )
    return Windows(begin_ms[:-1], begin_ms[1:], tier_ms, resolution, zone.key)


def _too_many(count: int) -> Rejected:
    return Rejected("too_many_windows", f"resolution: {count} windows, at most {MAX_WINDOWS}; ask for auto")


def check_range(from_ms: int, to_ms: int) -> None:
    """Raise `Rejected` unless this is a range, and at most `MAX_RANGE_MS` long: however long ago it lies."""
    if from_ms >= to_ms:
        raise Rejected("invalid_range", "from: must be before to")
    if to_ms - from_ms > MAX_RANGE_MS:
        raise Rejected(
            "invalid_range",
            f"from: the range has {(to_ms - from_ms) // DAY_MS:,} days, at most {MAX_RANGE_MS // DAY_MS}; "
            "ask for a later from, or in several questions",
        )


def kept_since_ms(tier_ms: int, now_ms: int, archived: Mapping[int, int]) -> int:
    """Since when all rows of a tier are kept, in the tables or in the archive."""
    kept_ms = now_ms - KEPT_MS[tier_ms]
    return min(kept_ms, archived.get(tier_ms, kept_ms))


def _kept(from_ms: int, now_ms: int, archived: Mapping[int, int]) -> str:
    """The finest resolution that is kept since then, else since when any is."""
    names = dict(zip(TIERS_MS, ("10s", "1m", "15m"), strict=True))
    since_ms = {tier: kept_since_ms(tier, now_ms, archived) for tier in TIERS_MS}
    first_ms = min(since_ms.values())
    kept = f"a from of {local(first_ms, ZoneInfo('UTC')):%Y-%m-%d} or later"
    return next((names[tier] for tier in TIERS_MS if from_ms >= since_ms[tier]), kept)


def _auto(from_ms: int, to_ms: int, now_ms: int) -> str:
    """The finest resolution of the ladder with few enough windows that is kept so far back."""
    lengths = [fixed_ms(name) or {"1d": 1, "1w": 7, "1mo": 30}[name] * DAY_MS for name in LADDER]
    for name, length in zip(LADDER, lengths, strict=True):
        tier = next(tier for tier in reversed(TIERS_MS) if length % tier == 0)
        if to_ms - from_ms <= AUTO_WINDOWS * length and from_ms >= now_ms - KEPT_MS[tier]:
            return name
    return LADDER[-1]


def _edges(from_ms: int, to_ms: int, resolution: str, zone: ZoneInfo) -> Iterator[int]:
    """Begins of the windows of the calendar that hold the range, and the end of the last."""
    first = local(from_ms, zone).date()
    begin = _STARTS[resolution](first)
    while True:
        edge = midnight_ms(begin, zone)
        yield edge
        if edge >= to_ms:
            return
        begin = _NEXT[resolution](begin)


_STARTS: dict[str, Callable[[date], date]] = {
    "1d": lambda day: day,
    "1w": lambda day: day - timedelta(days=day.weekday()),
    "1mo": lambda day: day.replace(day=1),
}
_NEXT: dict[str, Callable[[date], date]] = {
    "1d": lambda day: day + timedelta(days=1),
    "1w": lambda day: day + timedelta(days=7),
    "1mo": lambda day: (day.replace(day=1) + timedelta(days=32)).replace(day=1),
}


def local(at_ms: int, zone: ZoneInfo) -> datetime:
    """The wall clock of a zone at an instant, without the zone."""
    return (
        (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=at_ms))
        .astimezone(zone)
        .replace(tzinfo=None)
    )


def midnight_ms(day: date, zone: ZoneInfo) -> int:
    """When a day begins."""
    return wall_ms(datetime(day.year, day.month, day.day), zone)  # noqa: DTZ001 - a wall clock has no zone


def wall_ms(wall: datetime, zone: ZoneInfo) -> int:
    """The instant at which the wall clock of a zone first shows this, or passes it where it never shows it."""
    found = _ms(wall.replace(tzinfo=zone, fold=0))
    if local(found, zone) == wall:
        return found
    # The clock was put forward past it: the instant lies between those of the offsets before and after.
    low, high = sorted((found, _ms(wall.replace(tzinfo=zone, fold=1))))
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if local(middle, zone) >= wall else (middle + 1, high)
    return low


def _ms(at: datetime) -> int:
    return (at - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)
