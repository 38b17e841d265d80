"""The tables of all tiers without a server: what a fold gathers, written, read and revised as Postgres does it."""

import numpy as np

from services.aggregator.domain.totals.history import NOTHING
from services.aggregator.domain.windows.lateness import bites, revise, rows_to_revise
from services.aggregator.domain.work import RollupWork, SeriesRollups
from shared.model.rollup import Ints, Rollups, concatenate
from shared.wire import rollups
from shared.wire.versions import NEW


class MemoryTables:
    """Rows by resolution, sorted by window and series; a slot is the place of a series in the list of all."""

    def __init__(self, series: list[bytes], revised_rows: int = 3) -> None:
        self.rows: dict[int, Rollups] = {}
        self.whole: dict[int, SeriesRollups] = {}
        self.totals = NOTHING
        self._series = series
        self._places = {packed: place for place, packed in enumerate(series)}
        self._revised_rows = revised_rows

    def write(self, work: RollupWork) -> None:
        """Closed windows first, then what late points change."""
        place = np.array([self._places[packed] for packed in work.series], np.int64)
        for tier, rows in work.closed.items():
            self._put(tier, _moved(rows, place))
        for tier, late in work.late.items():
            for bite in bites(_moved(late, place), self._revised_rows):
                self._put(tier, revise(self._stored(tier, bite), bite))
        self.whole |= {tier: SeriesRollups(list(work.series), rows) for tier, rows in work.whole.items()}
        self.totals = self.totals if work.whole_totals is None else work.whole_totals

    def _stored(self, tier: int, late: Rollups) -> Rollups | None:
        if tier not in self.rows:
            return None
        found = np.isin(_codes(self.rows[tier]), _code(*rows_to_revise(late)))
        return self.rows[tier].take(np.flatnonzero(found))

    def _put(self, tier: int, rows: Rollups) -> None:
        if tier in self.rows:
            kept = np.flatnonzero(~np.isin(_codes(self.rows[tier]), _codes(rows)))
            rows = concatenate([self.rows[tier].take(kept), rows])
        self.rows[tier] = rows.take(np.argsort(_codes(rows)))

    def content(self) -> dict[int, bytes]:
        """All rows of each tier."""
        return {
            tier: rollups.encode(rollups.WindowBatch(0, True, 0, 0, [], rows), NEW)
            for tier, rows in self.rows.items()
        }


def _moved(rows: Rollups, place: Ints) -> Rollups:
    moved = rows.take(np.arange(len(rows)))
    moved.slot = place[rows.slot]
    return moved


def _code(start_ms: Ints, slot: Ints) -> Ints:
    return (start_ms << 20) + slot


def _codes(rows: Rollups) -> Ints:
    return _code(rows.start_ms, rows.slot)
