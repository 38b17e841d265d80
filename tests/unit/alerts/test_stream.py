"""What the alert service takes from the topic of windows, and what it refuses by name."""

from collections.abc import Callable

import numpy as np
import pytest

from services.alerts.evaluation.adapters.stream import AlertFold, check, series_info
from services.alerts.evaluation.service import PartitionAlerts
from shared.alerts.rules.model import RuleSet
from shared.errors import Rejected
from shared.model.series import Series
from shared.model.window import BASE_MS
from shared.stream.processor import Key, Record
from shared.wire import rollups
from shared.wire.series import pack, series_id
from tests.support import alerting

NOW_MS = 200_000 * BASE_MS
PACKED = pack(Series(7, "api.response-seconds", "gauge", "s", (("endpoint", "/a"),)))


def windows(start_ms: int = NOW_MS, watermark_ms: int = NOW_MS, partition: int = 3) -> rollups.WindowBatch:
    """One closed window of one series."""
    rows = alerting.rollups([(0, 0, 6.0)])
    rows.start_ms = np.array([start_ms])
    return rollups.WindowBatch(partition, True, 1, watermark_ms, [PACKED], rows)


def stream() -> AlertFold:
    """Partition 3, judged by one rule."""
    rule_set = RuleSet()
    rule_set.replace([alerting.rule("api:response_seconds:max_10s > 5")])
    return AlertFold(Key("windows", 3), PartitionAlerts(rule_set, series_info))


def test_a_series_is_known_by_what_rules_say_of_it() -> None:
    """Signs that rules cannot write are `_`; the id is that of the bytes."""
    found = series_info(PACKED)

    assert ("api_response_seconds", series_id(PACKED), 7, {"endpoint": "/a"}) == (
        found.candidate.names["alias"], found.series.series_id, found.series.tenant_id, found.series.labels
    )  # fmt: skip
    assert {"metric": "api.response-seconds", "kind": "gauge", "unit": "s"} == found.series.named
    assert {} == series_info(PACKED, named=False).series.named


def test_a_record_moves_an_alert_and_its_checkpoint() -> None:
    """Transitions are urgent; time is that of the latest tick."""
    folded = stream()
    folded.fold(Record(0, NOW_MS, rollups.encode(windows())))
    before = folded.urgent
    folded.fold(Record(1, NOW_MS, rollups.encode(rollups.tick(3, 1, NOW_MS + BASE_MS))))
    checkpoint = folded.checkpoint()

    assert ["firing"] == [change.transition for change in checkpoint.work.transitions]
    assert (NOW_MS + BASE_MS, b"", None) == (checkpoint.watermark_ms, checkpoint.seen, checkpoint.snapshot)
    assert (True, False, 0) == (before, folded.urgent, folded.waiting_bytes)


@pytest.mark.parametrize(
    ("revision", "resolution_ms"),
    [pytest.param(1, BASE_MS, id="revised"), pytest.param(0, 60_000, id="of another tier")],
)
def test_revised_rows_and_other_tiers_page_nobody(revision: int, resolution_ms: int) -> None:
    """What late points change, and what a window of ten seconds has said already, is no news to a pager."""
    folded, other = stream(), windows()
    other.rollups.revision = np.array([revision])
    other.resolution_ms = resolution_ms
    folded.fold(Record(0, NOW_MS, rollups.encode(other)))
    checkpoint = folded.checkpoint()

    assert ([], None) == (checkpoint.work.transitions, checkpoint.watermark_ms)


@pytest.mark.parametrize(
    ("made", "problem"),
    [
        pytest.param(lambda: windows(partition=4), "foreign_windows", id="other partition"),
        pytest.param(lambda: windows(watermark_ms=-1), "bad_windows: watermark_ms", id="before 1970"),
        pytest.param(
            lambda: rollups.tick(3, 0, NOW_MS + 86_400_001), "bad_windows: watermark_ms", id="far ahead"
        ),
        pytest.param(lambda: rollups.tick(3, 0, 1 << 62), "bad_windows: watermark_ms", id="no time"),
        pytest.param(lambda: windows(start_ms=1 << 62), "bad_windows: start_ms", id="window far ahead"),
        pytest.param(lambda: windows(start_ms=-(1 << 62)), "bad_windows: start_ms", id="window long gone"),
    ],
)
def test_what_no_aggregator_sends_is_refused(made: Callable[[], rollups.WindowBatch], problem: str) -> None:
    """Before it moves anything: a time from the far future would hold back every alert until then."""
    with pytest.raises(Rejected, match=problem):
        check(made(), 3, NOW_MS)


def test_clocks_may_be_wrong_within_reason() -> None:
    """Five days late and some hours ahead are normal life."""
    check(windows(start_ms=NOW_MS - 5 * 86_400_000, watermark_ms=NOW_MS + 3_600_000), 3, NOW_MS)


def test_an_unsound_series_leaves_everything_as_it_was() -> None:
    """The record is refused whole."""
    folded, malformed = stream(), windows()
    malformed.series = [pack(Series(7, "__lives", "gauge", "", ()))]

    with pytest.raises(Rejected, match="invalid_name"):
        folded.fold(Record(0, NOW_MS, rollups.encode(malformed)))
    assert (False, None) == (folded.urgent, folded.checkpoint().watermark_ms)
