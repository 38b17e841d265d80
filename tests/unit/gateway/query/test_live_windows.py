"""Where live windows come from: the feed, and Redis while that cannot answer."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest

from services.gateway.query.questions.grouped import Part
from services.gateway.query.questions.ports import LivePart
from services.gateway.query.resources.windows.live import EitherLive, LiveRows
from services.gateway.query.resources.windows.windows import Query, WindowRow
from services.gateway.query.service import Reader
from shared.errors import Unavailable
from tests.support.rows import rows_of
from tests.support.windows import owner

NOW_MS = 1_800_000_000_000
QUERY = Query(1, "cpu", (("host", "a"),), NOW_MS - 60_000, NOW_MS, (0.5,), 100)
PART = Part(
    [owner("a"), owner("b")], rows_of([(0, NOW_MS - 20_000, [1.0, 3.0]), (1, NOW_MS - 20_000, [9.0])])
)


@dataclass
class Shown:
    """Live windows of the log."""

    parts: Sequence[LivePart] | None
    spans: list[tuple[int, int]] = field(default_factory=list)

    async def live(self, tenant_id: int, metric: str, from_ms: int, to_ms: int) -> Sequence[LivePart]:
        """Those that there are; None: unavailable."""
        assert (tenant_id, metric) == (1, "cpu")
        if self.parts is None:
            raise Unavailable("feed", "lags")
        self.spans.append((from_ms, to_ms))
        return self.parts


class NothingClosed:
    """Empty tables."""

    async def closed(self, query: Query) -> Sequence[WindowRow]:
        """None."""
        return []

    async def kept_since_ms(self, resolution_ms: int) -> int:
        """All."""
        return 0


@pytest.mark.parametrize("final", [False, True])
async def test_live_windows_are_answered_with_the_labels_asked_for(final: bool) -> None:
    """Those that have just closed say so."""
    shown = Shown([LivePart(0, PART, final)])

    (found,) = await LiveRows(shown).live(QUERY, NOW_MS)

    assert ((("host", "a"),), 4.0, 2, final) == (found.series.labels, found.sum, found.samples, found.final)
    assert [(NOW_MS - 60_000, NOW_MS)] == shown.spans


@pytest.mark.parametrize(
    ("feed", "in_redis", "rows", "available"),
    [
        pytest.param([LivePart(0, PART)], None, 1, True, id="the feed answers"),
        pytest.param(None, [LivePart(0, PART)], 1, True, id="Redis answers while the feed cannot"),
        pytest.param(None, None, 0, False, id="neither answers"),
    ],
)
async def test_redis_is_asked_while_the_feed_cannot_answer(
    feed: list[LivePart] | None, in_redis: list[LivePart] | None, rows: int, available: bool
) -> None:
    """Without either, the answer says that live windows are missing."""
    live = LiveRows(EitherLive(Shown(feed), Shown(in_redis)))

    found = await Reader(NothingClosed(), live).windows(QUERY, NOW_MS)

    assert (rows, available) == (len(found.rows), found.live_available)


async def test_nobody_is_asked_for_windows_that_cannot_be_live() -> None:
    """Those of coarser tiers are closed."""
    coarse = Query(1, "cpu", (), NOW_MS - 60_000, NOW_MS, (), 100, 60_000)

    assert [] == await LiveRows(Shown(None)).live(coarse, NOW_MS)
