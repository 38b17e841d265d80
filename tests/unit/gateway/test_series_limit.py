"""The limit of active series, from a body to its columns."""

import json

from services.gateway.intake.columns.admit_points import AdmittedPoints
from services.gateway.intake.domain.series_limit import LABELS, SPAN_MS, SeriesLimiter
from shared.wire import series
from tests.support.decoding import PointDecoding, native_points

NOW = 1_760_000_000_000


def limited(limit: int) -> PointDecoding:
    """A decoder for which tenant 1 may have so many series."""
    series_limiter = SeriesLimiter()
    series_limiter.retune(1, limit)
    return native_points(1000, 10_000, series_limiter)


def decode(
    decoder: PointDecoding, *numbers: int, tenant_id: int = 1, now_ms: int = NOW, **fields: object
) -> AdmittedPoints:
    """A point of value 2 for each number, which is its series' label."""
    points = [{"name": "m", "value": 2, "labels": {"x": str(number)}, **fields} for number in numbers]
    return decoder.decode(json.dumps({"points": points}).encode(), tenant_id, now_ms)


def labels(decoded: AdmittedPoints) -> list[str]:
    """The label of every row's series, `overflow` for an overflow series."""
    found = [series.unpack(decoded.catalogue.packed[slot]).labels for slot in decoded.points.slot.tolist()]
    return ["overflow" if each == LABELS else each[0][1] for each in found]


def test_points_of_new_series_beyond_the_limit_are_counted_together() -> None:
    """They are accepted and counted in one series; those of active series go on as before."""
    decoder = limited(2)

    first, second = decode(decoder, 0, 1, 2, 3, 0), decode(decoder, 3, 1, 0, 2)

    assert (["0", "1", "overflow", "overflow", "0"], 2) == (labels(first), first.overflowed)
    assert (["overflow", "1", "0", "overflow"], 2) == (labels(second), second.overflowed)
    assert ([], []) == (first.rejected, second.rejected)


def test_other_tenants_feel_nothing() -> None:
    """What is remembered of them is not touched, and their series are their own."""
    decoder = limited(2)
    before = decode(decoder, 0, 1, 2, tenant_id=2)
    pages = before.catalogue.spellings(2, NOW).pages

    decode(decoder, *range(900))
    after = decode(decoder, 0, 1, 2, tenant_id=2)

    assert (["0", "1", "2"], 0) == (labels(after), after.overflowed)
    assert before.points.slot.tolist() == after.points.slot.tolist()
    assert after.catalogue.spellings(2, NOW).pages is pages


def test_what_is_remembered_of_a_tenant_is_bounded() -> None:
    """Neither made up series nor made up spellings of one fill the memory that tenants share."""
    decoder = limited(10)

    for batch in range(20):
        decode(decoder, *range(batch * 900, batch * 900 + 900))
    catalogue = decoder.nothing().catalogue

    assert (20, 11) == (len(catalogue), len(catalogue.packed))


def test_made_up_units_leave_nothing_behind() -> None:
    """Only a series that was taken is remembered with its unit."""
    decoder = limited(10)
    rows = [{"name": "a", "value": 1, "ts": NOW, "unit": "\n" * (at + 1)} for at in range(900)]

    decoded = decoder.decode(json.dumps({"points": rows}).encode(), 1, NOW)

    assert (900, {}) == (len(decoded.rejected), decoded.catalogue.spellings(1, NOW).pages)


def test_room_is_found_when_others_fell_silent() -> None:
    """After two spans the series of then are forgotten, and who speaks now is in."""
    decoder = limited(2)
    decode(decoder, 0, 1, 2)

    later = decode(decoder, 2, 3, now_ms=NOW + 2 * SPAN_MS)

    assert (["2", "3"], 0) == (labels(later), later.overflowed)
    assert 2 == len(later.catalogue)


def test_the_limit_holds_when_the_memory_of_series_starts_anew() -> None:
    """A full catalogue is replaced, the roster is not."""
    series_limiter = SeriesLimiter()
    series_limiter.retune(1, 2)
    decoder = native_points(1000, 2, series_limiter)
    first = decode(decoder, 0, 1)

    second = decode(decoder, 2, 1, 0)

    assert first.catalogue is not second.catalogue
    assert (["overflow", "1", "0"], 1) == (labels(second), second.overflowed)


def test_refused_points_are_not_among_those_that_overflowed() -> None:
    """The warning counts what was accepted."""
    decoder = limited(1)
    body = [
        {"name": "m", "value": 1, "labels": {"x": str(at)}, "kind": "delta", "ts": NOW - at * 10**9}
        for at in range(3)
    ]

    decoded = decoder.decode(json.dumps({"points": body}).encode(), 1, NOW)

    assert ([1, 2], 0) == ([bad.index for bad in decoded.rejected], decoded.overflowed)


def test_a_histogram_that_overflows_is_one_point() -> None:
    """However many rows it has."""
    decoder = limited(1)
    histogram = {"bounds": [1, 2], "counts": [1, 1, 1]}
    body = {
        "points": [{"name": "m", "labels": {"x": x}, "kind": "delta", "histogram": histogram} for x in "ab"]
    }

    decoded = decoder.decode(json.dumps(body).encode(), 1, NOW)

    assert (6, 1) == (len(decoded.points), decoded.overflowed)
