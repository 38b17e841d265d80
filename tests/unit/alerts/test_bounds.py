"""What a partition of alerts remembers is bounded: alerts by room, series by starting anew."""

import pytest

from services.alerts.evaluation.service import PartitionAlerts
from shared.alerts.rules.model import RuleSet
from tests.support import alerting


def judge(**limits: int) -> PartitionAlerts:
    """One rule, under these limits."""
    rule_set = RuleSet()
    rule_set.replace([alerting.rule()])
    return PartitionAlerts(rule_set, alerting.describe, **limits)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("count", "without"),
    [pytest.param(2, 0, id="below"), pytest.param(3, 0, id="at"), pytest.param(4, 1, id="above")],
)
def test_no_more_alerts_begin_than_there_is_room_for(count: int, without: int) -> None:
    """Those that are known go on, and a breach without room is counted."""
    bounded = judge(max_alerts=3)

    bounded.fold(alerting.closed([(series, 1, 6.0) for series in range(count)]))

    assert (count - without, without) == (len(bounded.alerts), bounded.evicted)


def test_an_alert_begins_when_others_have_made_room() -> None:
    """A breach that goes on is not lost, only late."""
    bounded = judge(max_alerts=1)
    bounded.fold(alerting.closed([(0, 1, 6.0), (1, 1, 6.0)]))
    bounded.fold(alerting.closed([(0, 2, 1.0)]))
    bounded.fold(alerting.closed([], time=3))

    bounded.fold(alerting.closed([(1, 3, 6.0)]))

    assert [1] == [series_id for _, series_id in bounded.alerts]


@pytest.mark.parametrize(
    ("limit", "known"),
    [pytest.param(5, 4, id="below"), pytest.param(4, 4, id="at"), pytest.param(3, 1, id="above")],
)
def test_known_series_start_anew(limit: int, known: int) -> None:
    """A message brings four; what was forgotten is described again when it comes."""
    bounded = judge(max_known=limit)

    bounded.fold(alerting.closed([(series, 1, 6.0) for series in range(4)]))

    assert (known, 4) == (bounded.known, len(bounded.alerts))
