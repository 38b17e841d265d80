"""Rows that are answered, from columns of rollups.

Times are milliseconds UTC. What is infinite in a column, as nothing of it is left, is None in an answer.
"""

import math
from collections.abc import Sequence

import numpy as np

from services.gateway.query.resources.windows.windows import Query, WindowRow
from shared.model import sketch
from shared.model.rollup import Rollups, sketches_of
from shared.model.series import Series


def window_rows(query: Query, owners: Sequence[Series], rollups: Rollups, *, final: bool) -> list[WindowRow]:
    """The rows of the series that are asked for; slots mean `owners`."""
    asked = np.array([query.matches(one) for one in owners], np.bool_)
    rows = np.flatnonzero(asked[rollups.slot])
    quantiles = sketch.quantile_tuples(sketches_of(rollups, rows), query.quantiles)
    return [
        _window(rollups, row, owners[rollups.slot[row]], found, final=final)
        for row, found in zip(rows.tolist(), quantiles, strict=True)
    ]


def _window(
    rolled: Rollups, row: int, owner: Series, quantiles: tuple[float | None, ...], *, final: bool
) -> WindowRow:
    return WindowRow(
        series=owner,
        start_ms=int(rolled.start_ms[row]),
        count=float(rolled.count[row]),
        sum=float(rolled.sum[row]),
        min=_finite(float(rolled.min[row])),
        max=_finite(float(rolled.max[row])),
        last=_finite(float(rolled.last[row])),
        last_ms=int(rolled.last_ms[row]),
        quantiles=quantiles,
        revision=int(rolled.revision[row]),
        late_count=int(rolled.late_count[row]),
        watermark_ms=int(rolled.watermark_ms[row]),
        final=final,
        estimated=bool(rolled.estimated[row]),
        samples=None if np.isnan(rolled.samples[row]) else int(rolled.samples[row]),
    )


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
