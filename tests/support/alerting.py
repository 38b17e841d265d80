"""Windows as the alert service reads them, made by hand: one aggregate value a series and window.

Times are counted in windows of ten seconds, from 1. The messages have the shape that the aggregator
publishes: rows of closed windows in their order, then a tick.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from services.alerts.evaluation.domain.alert import Alert, SeriesRef
from services.alerts.evaluation.service import AlertWork, PartitionAlerts, SeriesInfo, WindowRows
from shared.alerts.rules.expression import parse
from shared.alerts.rules.model import Rule, RuleSet
from shared.alerts.rules.plan import candidate
from shared.model.rollup import Rollups
from shared.model.sketch import buckets_of
from shared.model.window import BASE_MS

Row = tuple[int, int, float]
"""Series, window and the one value that was measured in it."""


def rule(
    expr: str = "api:response_seconds:max_10s > 5", for_s: int = 0, alert: str = "Slow", **more: Any
) -> Rule:
    """A rule of the group `g`."""
    labels, annotations = {"severity": "critical"}, {"summary": "{{ $value }} s"}
    return Rule("g", alert, parse(expr), for_s * 1000, labels, annotations, **more)


def describe(packed: bytes) -> SeriesInfo:
    """Every series is one of `api.response_seconds`, told apart by its first byte; even ones are levels."""
    labels, is_level = {"endpoint": f"/{packed[0]}"}, packed[0] % 2 == 0
    found = candidate("api.response_seconds", "gauge" if is_level else "delta", "s", labels)
    return SeriesInfo(found, SeriesRef(packed[0], 7, labels, is_level=is_level))


def describe_in(topic: str) -> Callable[[bytes], SeriesInfo]:
    """Describes series of ids that only this topic has; its name holds a number."""
    offset = int("".join(filter(str.isdigit, topic))) * 256

    def of(packed: bytes) -> SeriesInfo:
        known = describe(packed)
        return replace(known, series=replace(known.series, series_id=known.series.series_id + offset))

    return of


def rollups(rows: Sequence[Row]) -> Rollups:
    """One point a row."""
    values = np.array([value for *_, value in rows], np.float64)
    ones, zeros = np.ones(len(rows)), np.zeros(len(rows), np.int64)
    starts_ms = np.array([window * BASE_MS for _, window, _ in rows], np.int64)
    return Rollups(
        slot=np.array([series for series, *_ in rows], np.int64),
        start_ms=starts_ms,
        count=ones, samples=ones, sum=values, min=values, max=values, last=values, last_ms=starts_ms,
        revision=zeros, late_count=zeros, watermark_ms=zeros, sketch_at=np.arange(len(rows) + 1),
        bucket=buckets_of(np.nan_to_num(values)), weight=ones, estimated=ones < 0,
        distinct_at=np.zeros(len(rows) + 1, np.int64), register=np.zeros(0, np.uint16), rank=np.zeros(0, np.uint8),
    )  # fmt: skip


SERIES = [bytes([number]) for number in range(4)]


def live(rows: Sequence[Row], time: int = 0) -> WindowRows:
    """Open windows."""
    return WindowRows(False, time * BASE_MS, SERIES, rollups(rows))


def closed(rows: Sequence[Row], time: int = 0) -> WindowRows:
    """Closed windows."""
    return WindowRows(True, time * BASE_MS, SERIES, rollups(sorted(rows, key=lambda row: row[1])))


def tick(time: int) -> WindowRows:
    """All windows before the one with this number have been published."""
    return WindowRows(True, time * BASE_MS, [], rollups([]))


def reports(points: Mapping[float, float], series: int, until_s: float) -> Iterator[WindowRows]:
    """What is published of a series that reports at these seconds: its windows, and a tick each ten seconds."""
    for window in range(1, int(until_s * 1000) // BASE_MS):
        inside = [at for at in sorted(points) if window * BASE_MS <= at * 1000 < (window + 1) * BASE_MS]
        if inside:
            yield closed([(series, window, points[inside[-1]])], time=window + 1)
        yield tick(window + 1)


def partition(*rules: Rule, time: int | None = None, alerts: Iterable[Alert] = ()) -> PartitionAlerts:
    """A partition that judges by these rules."""
    rule_set = RuleSet()
    rule_set.replace(rules)
    made = PartitionAlerts(rule_set, describe, None if time is None else time * BASE_MS)
    made.restore(alerts)
    return made


def changes(work: AlertWork) -> list[tuple[str, str, int]]:
    """What changed: transition, reason and the number of the window it was decided on."""
    return [(each.transition, each.reason, each.window_start_ms // BASE_MS) for each in work.transitions]
