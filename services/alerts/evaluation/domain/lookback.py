"""Silence: how long a series may say nothing before it is gone, and what becomes of its alert until then.

Times are milliseconds UTC of the log, spans milliseconds; steps are multiples of a window. Invariant: what time alone
does to an alert happens at the first step at which it is due, however far the watermark jumps.
"""

from dataclasses import replace
from typing import NamedTuple

from services.alerts.domain.transition import PENDING
from services.alerts.evaluation.domain.alert import GONE, NONE, Alert, Evaluation
from shared.alerts.rules.model import KEEP
from shared.model.window import BASE_MS, start_of

SHORTEST_MS, LONGEST_MS = 60_000, 300_000
"""Between these a series is taken for gone, unless its rule says when."""

GAPS = 6
"""How many times its longest gap a series may be silent."""

ENOUGH = 3
"""Hearings after which gaps are believed."""


class Due(NamedTuple):
    """What time alone will do to an alert."""

    at_ms: int
    outcome: str


def stale_after_ms(alert: Alert) -> int:
    """How long the series may be silent."""
    if alert.rule.lookback_ms is not None:
        return alert.rule.lookback_ms
    if alert.hearings < ENOUGH:
        return LONGEST_MS
    return min(max(GAPS * alert.gap_ms, SHORTEST_MS), LONGEST_MS)


def due(alert: Alert) -> Due | None:
    """What comes first if nothing is heard: the end of recovering, the end of the series, or that `for` has passed."""
    if not alert.active:
        return None
    found = []
    if alert.recovering_since_ms is not None:
        found.append(Due(step_at(alert.recovering_since_ms + alert.rule.keep_firing_ms), NONE))
    if alert.state == PENDING or alert.rule.no_data != KEEP:
        silent_ms = max(stale_after_ms(alert), alert.rule.comparison.leaf.range_ms)
        found.append(Due(step_at(alert.heard_ms + silent_ms), GONE))
    if alert.state == PENDING and alert.series.is_level:
        found.append(Due(step_at(alert.active_at_ms + alert.rule.for_ms), NONE))
    return min(found, key=lambda each: each.at_ms, default=None)


def heard(alert: Alert, evaluation: Evaluation, *, last_closed_ms: int) -> Alert:
    """The alert once its series has been heard in this window, and windows have closed up to one."""
    window_ms = heard_window_ms(evaluation)
    heard_ms = max(alert.heard_ms, heard_at_ms(evaluation))
    if window_ms <= alert.heard_window_ms:
        return replace(alert, heard_ms=heard_ms, last_closed_ms=last_closed_ms)
    gap_ms = max(window_ms - alert.heard_window_ms, heard_ms - alert.heard_ms)
    return replace(
        alert,
        last_closed_ms=last_closed_ms,
        heard_ms=heard_ms,
        heard_window_ms=window_ms,
        hearings=alert.hearings + (heard_ms > alert.heard_ms),
        gap_ms=max(alert.gap_ms, gap_ms),
    )


def heard_window_ms(evaluation: Evaluation) -> int:
    """Start of the latest window with points."""
    return evaluation.window_start_ms if evaluation.heard is None else evaluation.heard[0]


def heard_at_ms(evaluation: Evaluation) -> int:
    """When that was heard: batches come later than the windows that they are of."""
    if evaluation.heard is not None:
        return evaluation.heard[1]
    return max(start_of(evaluation.watermark_ms), evaluation.window_end_ms)


def step_at(at_ms: int) -> int:
    """The first step at or after an instant."""
    return -(-at_ms // BASE_MS) * BASE_MS
