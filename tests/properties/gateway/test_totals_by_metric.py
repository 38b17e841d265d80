"""Whatever a tenant sends, the limit holds and totals by metric stay right."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from services.gateway.intake.domain.series_limit import OVERFLOW, SPAN_MS, ActiveSeries
from shared.model.series import Series

NOW = 1_760_000_000_000

sent = st.tuples(
    st.sampled_from([f"m{at}" for at in range(6)]),
    st.sampled_from(["gauge", "delta"]),
    st.integers(0, 30),
    st.integers(0, SPAN_MS // 4),
)


@given(st.lists(sent, max_size=150), st.integers(1, 40))
def test_totals_by_metric_are_right_under_any_limit(
    points: list[tuple[str, str, int, int]], limit: int
) -> None:
    """Each point counts once, under its metric or, when even those are too many, under one that says so."""
    active_series, now_ms = ActiveSeries(limit, NOW), NOW
    expected, found = Counter[tuple[str, str]](), Counter[tuple[str, str]]()
    for metric, kind, label, pause_ms in points:
        now_ms += pause_ms
        active_series.turn(now_ms)
        placed = active_series.admit(Series(1, metric, kind, "s", (("x", str(label)),)), hash)
        expected[metric, kind] += 1
        found[placed.metric, placed.kind] += 1
        assert len(active_series.series) <= limit
        assert len(active_series.overflows) <= max(1, limit // 10)

    assert expected.total() == found.total()
    assert all(found[key] <= expected[key] for key in found if key[0] != OVERFLOW)


@given(st.lists(sent, max_size=150), st.integers(1, 40))
def test_who_is_in_stays_in_while_it_speaks(points: list[tuple[str, str, int, int]], limit: int) -> None:
    """A series whose last point is younger than a span is placed where that one was."""
    active_series, now_ms = ActiveSeries(limit, NOW), NOW
    inside: dict[Series, int] = {}
    for metric, kind, label, pause_ms in points:
        now_ms += pause_ms
        active_series.turn(now_ms)
        series = Series(1, metric, kind, "s", (("x", str(label)),))
        spoke = now_ms - inside.get(series, -SPAN_MS) < SPAN_MS
        placed = active_series.admit(series, hash)
        assert placed == series or not spoke
        if placed == series:
            inside[series] = now_ms
