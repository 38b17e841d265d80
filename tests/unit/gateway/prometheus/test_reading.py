"""Which rows a leaf takes: the fewest that give the same answer, of those that are kept."""

import pytest

from services.gateway.query.prometheus.evaluation.reading import DAY_MS, Instants, windows_of
from services.gateway.query.prometheus.language.plan import Leaf, Measure
from services.gateway.query.questions.selection import Selection

HOUR, MINUTE, S10 = 3_600_000, 60_000, 10_000
NOW = 20_000 * DAY_MS + 12 * HOUR + 7 * MINUTE + 30_000
"""12:07:30."""

SELECTION = Selection(1, "m", "delta", "")


def spans(
    range_ms: int, instants: Instants, measure: Measure = "sum"
) -> tuple[list[tuple[int, int, int]], bool]:
    """Beginning, end and tier of each span, before now, in seconds, and whether they are rounded."""
    found = windows_of(Leaf(SELECTION, measure, range_ms), instants, NOW)
    shown = [
        ((NOW - each.from_ms) // 1000, (NOW - each.to_ms) // 1000, each.tier_ms // 1000)
        for each in found.spans
    ]
    return shown, found.rounded


@pytest.mark.parametrize(
    ("range_ms", "instants", "wanted"),
    [
        pytest.param(5 * MINUTE, Instants(NOW, 0, 1), ([(300, 0, 10)], False), id="short: fine rows at once"),
        pytest.param(
            HOUR, Instants(NOW, 0, 1),
            ([(3600, 3570, 10), (3570, 3150, 60), (3150, 450, 900), (450, 30, 60), (30, 0, 10)], False),
            id="long: coarse in the middle",
        ),
        pytest.param(
            DAY_MS, Instants(NOW, 0, 1),
            ([(86_370, 85_950, 60), (85_950, 450, 900), (450, 30, 60), (30, 0, 10)], False),
            id="longer than fine rows are kept: from a whole minute",
        ),
        pytest.param(
            5 * MINUTE, Instants(NOW - 30_000 - HOUR, MINUTE, 61), ([(3930, 30, 60)], False), id="whole minutes"
        ),
        pytest.param(
            5 * MINUTE, Instants(NOW - HOUR, MINUTE, 61), ([(3900, 0, 10)], False), id="not at whole minutes"
        ),
        pytest.param(
            70_000, Instants(NOW - 30_000 - HOUR, MINUTE, 61), ([(3700, 30, 10)], False), id="not of whole minutes"
        ),
        pytest.param(
            HOUR + S10, Instants(NOW - 450_000 - DAY_MS, HOUR, 25), ([(90_450, 450, 900)], False),
            id="ten seconds more than an hour are negligible",
        ),
        pytest.param(
            70_000, Instants(NOW - 30_000 - 8 * HOUR, MINUTE, 61), ([(28_890, 25_230, 60)], True),
            id="fine rows are gone: rounded",
        ),
        pytest.param(
            5 * MINUTE, Instants(NOW - 30 * DAY_MS - 450_000, HOUR, 3), ([(2_593_350, 2_585_250, 900)], True),
            id="minutes are gone: rounded",
        ),
        pytest.param(
            0, Instants(NOW - 30_000 - 10 * MINUTE, MINUTE, 11),
            ([(43_650, 1350, 900), (1350, 630, 60), (630, 30, 60)], False), id="since midnight: coarse up to the first",
        ),
    ],
)  # fmt: skip
def test_the_coarsest_rows_that_change_nothing_are_read(
    range_ms: int, instants: Instants, wanted: tuple[list[tuple[int, int, int]], bool]
) -> None:
    """Those of 10 s are kept for six hours, those of a minute for nine days, surely."""
    assert wanted == spans(range_ms, instants)


def test_a_last_point_is_exact_in_coarse_rows() -> None:
    """They know when it came."""
    quarter = NOW - 450_000

    assert ([(4950, 450, 900)], False) == spans(5 * MINUTE, Instants(quarter - HOUR, 900_000, 5), "last")
