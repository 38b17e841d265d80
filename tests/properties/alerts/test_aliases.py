"""Names of older rule files mean what their PromQL means: both fire alike, whatever windows come."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.alerts.evaluation.service import WindowRows
from tests.support.alerting import Row, closed, live, partition, rule, tick

ALIKE = {
    "max_10s": "max_over_time(api_response_seconds[10s])",
    "min_10s": "min_over_time(api_response_seconds[10s])",
    "sum_10s": "sum_over_time(api_response_seconds[10s])",
    "count_10s": "count_over_time(api_response_seconds[10s])",
    "avg_10s": "avg_over_time(api_response_seconds[10s])",
    "last_10s": "last_over_time(api_response_seconds[10s])",
    "p95_10s": 'quantile_over_time(0.95, {"api.response_seconds"}[10s])',
}


@st.composite
def logs(draw: st.DrawFn) -> list[WindowRows]:
    """Open windows, closed ones and ticks of a gauge and a delta, with gaps."""
    messages, window = list[WindowRows](), 0
    for _ in range(draw(st.integers(1, 8))):
        window += draw(st.sampled_from((1, 1, 1, 3, 40)))
        values = draw(st.lists(st.sampled_from((0.5, 4.0, 6.0)), min_size=2, max_size=2))
        rows: list[Row] = [(series, window, value) for series, value in enumerate(values, 1)]
        messages += [live(rows)] if draw(st.booleans()) else []
        messages += [closed(rows[draw(st.integers(0, 1)) :], window + 1), tick(window + 1)]
    return messages


@pytest.mark.parametrize("name", ALIKE)
@given(log=logs(), operator=st.sampled_from((">", ">=", "<", "!=")), for_s=st.sampled_from((0, 20)))
def test_an_alias_fires_as_its_promql_does(
    name: str, log: list[WindowRows], operator: str, for_s: int
) -> None:
    """The same transitions, for the same reasons, at the same times; only the text of the rule differs."""
    found = []
    for figure in (f"api:response_seconds:{name}", ALIKE[name]):
        state = partition(rule(f"{figure} {operator} 5", for_s))
        for message in log:
            state.fold(message)
        found.append([(each.key, each.reason, each.at_ms) for each in state.checkpoint().transitions])

    assert found[0] == found[1]
