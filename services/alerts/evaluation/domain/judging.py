"""A rule on rows: which of them matter to it, and what each says.

Times are milliseconds UTC of the log. A row is a window of a series, or what a range holds of it.
"""

from collections.abc import Callable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from services.alerts.domain.transition import BREACH, CLOSED, LIVE
from services.alerts.evaluation.domain import evaluate
from services.alerts.evaluation.domain.alert import Evaluation, SeriesRef
from services.alerts.evaluation.domain.history import Range
from shared.alerts.rules.model import Rule
from shared.model.rollup import Rollups
from shared.model.window import BASE_MS


class Judged(NamedTuple):
    """Rows that a rule is judged on."""

    rows: Rollups
    chosen: NDArray[np.intp]
    """Those that it reads."""
    series: Sequence[SeriesRef]
    """By slot."""
    ids: NDArray[np.int64]
    """Their ids."""
    final: bool
    watermark_ms: int
    step_ms: int | None = None
    """Of a range: the step; None: each row ends at its own."""
    range: Range | None = None


def evaluations(
    rule: Rule, judged: Judged, with_alert: AbstractSet[int], may_begin: Callable[[bool], bool]
) -> Iterator[Evaluation]:
    """What the rule says of the rows that matter: those that breach, and those of series with an alert.

    `with_alert` has the ids of those, and `may_begin` is asked whether there is room. Both are looked at when the
    evaluation before has been applied: one message may hold two windows of a series.
    """
    rows, chosen = judged.rows, judged.chosen
    found = evaluate.values(rule.comparison, rows, chosen)
    outcomes = evaluate.outcomes(rule, rows, chosen, found)
    over = outcomes == BREACH
    if not judged.final:
        # What was taken back, or may be as increments are, can undo a maximum or a count.
        over &= ~rows.estimated[chosen]
    # A window without a breach matters to an alert when it has closed, and to nothing else.
    concerned = over | _with_alert(judged, over, with_alert) if judged.final else over
    said = zip(
        chosen[concerned].tolist(), found[concerned].tolist(), outcomes[concerned].tolist(), strict=True
    )
    for row, value, outcome in said:
        series = judged.series[rows.slot[row]]
        if series.series_id in with_alert or may_begin(outcome == BREACH):
            yield _evaluation(rule, judged, row, outcome, value)


def _with_alert(judged: Judged, over: NDArray[np.bool_], with_alert: AbstractSet[int]) -> NDArray[np.bool_]:
    """Rows whose series has an alert of the rule, or a breach in this message."""
    slots = judged.rows.slot[judged.chosen]
    concerned = np.zeros(len(judged.ids), np.bool_)
    if with_alert:
        concerned = np.isin(judged.ids, np.fromiter(with_alert, np.int64, len(with_alert)))
    concerned[slots[over]] = True
    return np.asarray(concerned[slots])


def _evaluation(rule: Rule, judged: Judged, row: int, outcome: str, value: float) -> Evaluation:
    rows, found = judged.rows, judged.range
    return Evaluation(
        rule,
        judged.series[rows.slot[row]],
        outcome,
        CLOSED if judged.final else LIVE,
        window_start_ms=int(rows.start_ms[row]) if judged.step_ms is None else judged.step_ms - BASE_MS,
        watermark_ms=judged.watermark_ms,
        value=value,
        count=float(rows.count[row]),
        revision=int(rows.revision[row]),
        heard=None if found is None else (int(found.window_ms[row]), int(found.heard_ms[row])),
    )
