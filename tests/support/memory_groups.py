"""The tables of prepared groups without a server: what works hold, written and revised as Postgres does it."""

from itertools import chain

import numpy as np

from services.aggregator.domain.groups import changed_rows, closed_groups, deltas, portions, revised
from services.aggregator.domain.work import RollupWork
from shared.prepared.grouping import GroupKey, PreparedRow, PreparedRows, SeriesCodec, SeriesGroups
from shared.prepared.label_sets import LabelSets
from shared.wire.rollups import WindowBatch
from shared.wire.stored import groups
from shared.wire.versions import NEW


class MemoryGroups:
    """Rows by resolution, start and key, as their bytes."""

    def __init__(self, sets: LabelSets, codec: SeriesCodec, changed_rows: int = 2) -> None:
        self.rows: dict[tuple[int, int, GroupKey], bytes] = {}
        self._sets = sets
        self._codec = codec
        self._changed_rows = changed_rows
        self.restart()

    def restart(self) -> None:
        """Another process goes on."""
        self._index = SeriesGroups(self._sets, self._codec)

    def write(self, work: RollupWork, since_ms: float = float("-inf")) -> None:
        """The groups of closed windows, then what late points change in those that begin at `since_ms` or later."""
        grouping = self._index.of(work.series)
        for tier, rows in work.closed.items():
            for part in closed_groups(grouping, rows, work.ids):
                for row in part:
                    assert (tier, row.start_ms, row.key) not in self.rows
                    self._put(tier, row)
        for tier, late in work.late.items():
            for changes in deltas(grouping, late, lambda _: since_ms):
                for portion in portions(grouping.groups, changes, self._changed_rows):
                    places = [(tier, *at) for at in changed_rows(grouping.groups, portion)]
                    stored = self._stored([place for place in places if place in self.rows])
                    for row in revised(grouping.groups, stored, portion):
                        self._put(tier, row)

    def row(self, tier: int, start_ms: int, key: GroupKey) -> PreparedRow | None:
        """A row as it is read."""
        if (packed := self.rows.get((tier, start_ms, key))) is None:
            return None
        batch = groups.decode(packed)
        return PreparedRow(start_ms, key, batch.series, batch.rollups)

    def _stored(self, places: list[tuple[int, int, GroupKey]]) -> PreparedRows:
        series, rows = groups.decode_all([self.rows[place] for place in places])
        ends = np.cumsum([0, *map(len, series)])
        return PreparedRows([key for _, _, key in places], ends, list(chain(*series)), rows)

    def _put(self, tier: int, row: PreparedRow) -> None:
        batch = WindowBatch(0, True, 0, 0, row.series, row.rollups, tier)
        self.rows[tier, row.start_ms, row.key] = groups.encode(batch, NEW)
