"""What differs in a part of a chart: the label value that explains it comes first."""

import pytest

from services.gateway.query.questions.selection import Selection
from services.gateway.query.resources.differences.differences import Area, differences
from shared.model.series import Series
from tests.support.points import Dot, PointSource

MINUTE_MS = 60_000


def api(endpoint: str, region: str) -> Series:
    """A series of response times."""
    return Series(1, "api.response_seconds", "delta", "s", (("endpoint", endpoint), ("region", region)))


async def test_what_is_more_common_inside_comes_first_with_both_weights() -> None:
    """Slow answers from minute 5 to 6 are those of one route, in every region."""
    dots = [
        Dot(api("/a", region), minute * MINUTE_MS, 0.1) for minute in range(10) for region in ("eu", "us")
    ]
    dots += [
        Dot(api("/b", region), minute * MINUTE_MS, 0.1) for minute in range(10) for region in ("eu", "us")
    ]
    dots += [Dot(api("/b", region), 5 * MINUTE_MS, 5.0) for region in ("eu", "us")]
    source = PointSource(dots, 10 * MINUTE_MS)
    found = await source.rows(
        Selection(1, "api.response_seconds", by=None), 0, 10 * MINUTE_MS, MINUTE_MS, live=True
    )

    ranked = differences(found, Area(5 * MINUTE_MS, 6 * MINUTE_MS, 1.0, 1e100), ["endpoint", "region"], 10)

    assert [("endpoint", "/b"), ("region", "eu"), ("region", "us"), ("endpoint", "/a")] == [
        (one.label, one.value) for one in ranked
    ]
    assert (2.0, 1.0, 20.0, 0.5) == (
        ranked[0].inside, ranked[0].inside_share, ranked[0].outside, ranked[0].outside_share,
    )  # fmt: skip
    assert [0.5, 0.0, 0.0, -0.5] == [pytest.approx(one.difference) for one in ranked]
