"""Points that a projection derives from events: columns that grow by a row, or by many.

Times are milliseconds UTC. A series is named by its bytes (`shared.wire.series.pack`), whose kind says what a value
means; a projection keeps them, for to pack a series costs more than all else.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared.model.point import Points


class _Sparse:
    """A column in which most rows have the same value."""

    __slots__ = ("by_row", "form", "rest")

    def __init__(self, rest: float, form: type[np.number[Any]]) -> None:
        self.rest = rest
        self.form = form
        self.by_row: dict[int, float] = {}

    def column(self, rows: Sequence[int]) -> NDArray[Any]:
        """The values of these rows."""
        if not self.by_row:
            return np.full(len(rows), self.rest, self.form)
        return np.array([self.by_row.get(row, self.rest) for row in rows], self.form)


class DerivedPoints:
    """Columns of points; row i of each is one of them."""

    __slots__ = ("_sparse", "series", "ts_ms")

    def __init__(self, series: list[bytes] | None = None, ts_ms: list[int] | None = None) -> None:
        """Rows of these series at these times, each of the value 1."""
        self.series: list[bytes] = [] if series is None else series
        self.ts_ms: list[int] = [] if ts_ms is None else ts_ms
        self._sparse = (
            _Sparse(1.0, np.float64), _Sparse(1.0, np.float64), _Sparse(0, np.int64), _Sparse(0, np.uint64),
        )  # fmt: skip

    def __len__(self) -> int:
        return len(self.series)

    def add(
        self,
        series: bytes,
        ts_ms: int,
        value: float = 1.0,
        *,
        weight: float = 1.0,
        start_ms: int = 0,
        distinct: int = 0,
    ) -> None:
        """One more point; what each number means is said by `Points`."""
        row = len(self.series)
        self.series.append(series)
        self.ts_ms.append(ts_ms)
        for values, given in zip(self._sparse, (value, weight, start_ms, distinct), strict=True):
            if given != values.rest:
                values.by_row[row] = given

    def points(self, slot: Sequence[int], rows: Sequence[int]) -> Points:
        """These rows, whose series stand at these places of the list that goes with them."""
        ts_ms, (value, *optional) = self.ts_ms, self._sparse
        return Points(
            np.array(slot, np.uint16),
            np.array([ts_ms[row] for row in rows], np.int64),
            value.column(rows),
            *(values.column(rows) if values.by_row else None for values in optional),
        )
