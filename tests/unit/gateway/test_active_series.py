"""Which series of a tenant are active, and what becomes of one too many."""

import pytest

from services.gateway.intake.domain.series_limit import LABELS, SPAN_MS, ActiveSeries, SeriesLimiter, warnings
from shared.errors import Rejected
from shared.model.series import Series

NOW = 1_760_000_000_000


def series(number: int, metric: str = "m", kind: str = "delta") -> Series:
    """The series of a metric with this number as its label."""
    return Series(1, metric, kind, "s", (("x", str(number)),))


def placed(active_series: ActiveSeries, *wanted: Series) -> list[Series]:
    """Where the points of these go; the id of a series is its hash."""
    return [active_series.admit(each, hash) for each in wanted]


@pytest.mark.parametrize(("count", "overflowed"), [(9, 0), (10, 0), (11, 1), (500, 490)])
def test_the_limit_includes_its_own_value(count: int, overflowed: int) -> None:
    """Up to the limit every series is in; each one beyond goes into the overflow series of its metric."""
    active_series = ActiveSeries(10, NOW)

    found = placed(active_series, *map(series, range(count)))

    assert [Series(1, "m", "delta", "s", LABELS)] * overflowed == [
        each for each in found if each.labels == LABELS
    ]
    assert (min(count, 10), min(overflowed, 1)) == (len(active_series.series), len(active_series.overflows))


def test_a_series_that_is_in_goes_on_as_before() -> None:
    """However many others knock."""
    active_series = ActiveSeries(1, NOW)

    found = placed(active_series, series(0), series(1), series(0))

    assert [series(0), series(0)] == [found[0], found[2]]


@pytest.mark.parametrize(
    ("steps_ms", "enters"),
    [
        pytest.param([SPAN_MS - 1], False, id="within the span"),
        pytest.param([SPAN_MS], False, id="silent for one span"),
        pytest.param([SPAN_MS, SPAN_MS], True, id="silent for a whole span"),
        pytest.param([2 * SPAN_MS], True, id="silent for two, with nothing in between"),
        pytest.param([100 * SPAN_MS], True, id="silent for a day"),
        pytest.param([-SPAN_MS], False, id="the clock was set back once"),
    ],
)
def test_a_silent_series_makes_room(steps_ms: list[int], enters: bool) -> None:
    """Between one span and two after its last point."""
    active_series, now_ms = ActiveSeries(1, NOW), NOW
    placed(active_series, series(0))

    for step_ms in steps_ms:
        now_ms += step_ms
        active_series.turn(now_ms)

    assert ([series(1)] == placed(active_series, series(1))) is enters


def test_a_series_that_speaks_once_a_span_is_never_silent() -> None:
    """It keeps its place through any number of spans."""
    active_series = ActiveSeries(1, NOW)

    for span in range(10):
        active_series.turn(NOW + span * SPAN_MS)
        assert [series(0)] == placed(active_series, series(0))

    assert series(1) != placed(active_series, series(1))[0]


@pytest.mark.parametrize("kind", ["cumulative", "histogram"])
def test_running_totals_beyond_the_limit_are_refused(kind: str) -> None:
    """Totals of two series are no total of one, so they cannot be counted together."""
    active_series = ActiveSeries(1, NOW)
    placed(active_series, series(0, kind=kind))

    with pytest.raises(Rejected) as refusal:
        placed(active_series, series(1, kind=kind))

    assert "series_limit" == refusal.value.code


def test_overflow_series_are_bounded_too() -> None:
    """One for ten of the limit; the metrics after that share one for each kind, whatever their units."""
    active_series = ActiveSeries(30, NOW)
    placed(active_series, *map(series, range(30)))

    found = placed(
        active_series,
        *[series(0, metric=f"n{at}", kind=kind) for at in range(99) for kind in ("delta", "gauge")],
    )

    own, shared = found[:3], found[3:]
    assert [("n0", "delta"), ("n0", "gauge"), ("n1", "delta")] == [(each.metric, each.kind) for each in own]
    assert {Series(1, "overflow", kind, "", LABELS) for kind in ("delta", "gauge")} == set(shared)


@pytest.mark.parametrize(("limit", "enters", "anew"), [(1, False, True), (2, False, False), (3, True, True)])
def test_a_changed_limit_is_heeded_at_once(limit: int, enters: bool, anew: bool) -> None:
    """A higher one lets more in, a lower one sends no one away; verdicts are remembered while it stays."""
    active_series = ActiveSeries(2, NOW)
    placed(active_series, series(0), series(1))

    active_series.retune(limit)

    assert [series(0), series(1)] == placed(active_series, series(0), series(1))
    assert ((series(2) == placed(active_series, series(2))[0]) is enters, active_series.generation > 0) == (
        True,
        anew,
    )


def test_tenants_have_active_series_and_limits_of_their_own() -> None:
    """One beyond its limit takes nothing from another; a limit may be known before the first point."""
    series_limiter = SeriesLimiter()
    series_limiter.retune(1, 1)

    narrow, wide = series_limiter.at(1, NOW), series_limiter.at(2, NOW)

    placed(narrow, *map(series, range(9)))
    placed(wide, *map(series, range(4)))

    assert ([1, 10_000], 1 + 1 + 4) == ([narrow.limit, wide.limit], series_limiter.active())


def test_who_overflows_is_told_what_to_do() -> None:
    """The code, how many points, and both remedies."""
    (warned,) = warnings(7, 100)

    assert ("series_limit", 7) == (warned.code, warned.points)
    assert "100 active series" in warned.message
    assert [] == warnings(0, 100)
