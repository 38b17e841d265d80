"""Points in memory, rows of them as the tables would hold them, and what is true of them: an oracle on raw points."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np

from services.gateway.query.questions.grouped import Gathered, Grouped, Part, empty, grouped, whole
from services.gateway.query.questions.ports import Loaded, Standing
from services.gateway.query.questions.selection import Selection
from shared.model.series import Series
from tests.support.memory_catalogue import MemoryCatalogue
from tests.support.rows import rows_of


@dataclass(frozen=True, slots=True)
class Dot:
    """A point of weight 1."""

    series: Series
    ts_ms: int
    value: float


class PointSource(MemoryCatalogue):
    """A source over points, closed up to an instant in every partition; all of it is one partition."""

    def __init__(self, dots: Iterable[Dot], complete_until_ms: int) -> None:
        self.dots = sorted(dots, key=lambda dot: dot.ts_ms)
        self._mark_ms = complete_until_ms

    async def complete_until_ms(self) -> int:
        """Windows that end at or before this are closed."""
        return self._mark_ms

    async def standing(self) -> Mapping[int, Standing]:
        """Where the partition stands."""
        return {0: Standing(len(self.dots), self._mark_ms)}

    async def rows(
        self, selection: Selection, from_ms: int, to_ms: int, tier_ms: int, *, live: bool
    ) -> Grouped:
        """Rows of the windows that start in [from, to); without `live` only those that are closed."""
        end_ms = to_ms if live else min(to_ms, self._mark_ms - self._mark_ms % tier_ms)
        inside = [dot for dot in self.dots if from_ms <= dot.ts_ms < end_ms]
        owners = sorted({dot.series for dot in inside}, key=repr)
        place = {owner: slot for slot, owner in enumerate(owners)}

        def key(dot: Dot) -> tuple[int, int]:
            return place[dot.series], dot.ts_ms - dot.ts_ms % tier_ms

        windows = [(at, list(dots)) for at, dots in groupby(sorted(inside, key=key), key=key)]
        if not windows:
            return empty(tier_ms)
        rows = rows_of([(*at, [dot.value for dot in dots]) for at, dots in windows])
        latest = [max((dot.ts_ms, dot.value) for dot in dots) for _, dots in windows]
        rows.last_ms = np.array([ts_ms for ts_ms, _ in latest], np.int64)
        rows.last = np.array([value for _, value in latest])
        return grouped(selection, [Part(owners, rows)], tier_ms)

    async def gathered(
        self, selection: Selection, from_ms: int, to_ms: int, tier_ms: int, *, live: bool
    ) -> Gathered:
        """The same rows."""
        rows = await self.rows(selection, from_ms, to_ms, tier_ms, live=live)
        return whole(rows, await self.complete_until_ms())

    async def load(self, selection: Selection, tier_ms: int, from_ms: int, to_ms: int) -> Loaded:
        """Closed rows, as of now."""
        rows = await self.rows(selection, from_ms, to_ms, tier_ms, live=False)
        return Loaded(rows, await self.standing())

    def owned(self) -> Iterable[Series]:
        """The series of all points."""
        return (dot.series for dot in self.dots)


def figure(name: str, dots: Sequence[Dot], seconds: float) -> float | None:
    """What is true of some points, oldest first: the figure that an answer has to give; quantiles are within 1 %."""
    values = np.array([dot.value for dot in dots])
    if name in {"count", "rate"}:
        return len(values) / (seconds if name == "rate" else 1)
    if name == "sum":
        return float(values.sum())
    if not len(values):
        return None
    if name.startswith("p"):
        return float(np.quantile(values, float(name[1:]) / 100))
    if name == "last":
        return max((dot.ts_ms, dot.value) for dot in dots)[1]
    return {"avg": float(values.mean()), "min": float(values.min()), "max": float(values.max())}[name]
