"""The work of a partition for the tables, and rollups with the series that their slots mean.

Times are milliseconds UTC. A slot numbers a series within one partition and process; elsewhere a series is identified
by its bytes.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple, TypeAlias

import numpy as np

from services.aggregator.domain.partition_series import handed_over, moved, moved_slots
from services.aggregator.domain.repeats import Fresh
from services.aggregator.domain.totals.history import Totals
from services.aggregator.domain.totals.increments import Kept
from services.aggregator.domain.windows.lateness import NO_WINDOWS, WindowKeys
from services.aggregator.domain.windows.tiers import Parts
from shared.ledger.entries import Entry
from shared.model.rollup import Ints, Rollups
from shared.prepared.grouping import Grouping


class SeriesRollups(NamedTuple):
    """Rollups with the series that their slots mean."""

    series: list[bytes]
    rollups: Rollups


RollupsByTier: TypeAlias = Mapping[int, SeriesRollups]
"""By resolution."""


def _no_collision(packed: bytes) -> tuple[bytes, int]:
    raise ValueError(f"the series {packed!r} belongs to no fold")


@dataclass(slots=True, eq=False)
class RollupWork:
    """What a fold has gathered for the tables since its previous checkpoint; slots mean `series`."""

    series: list[bytes]
    """Identities by slot."""
    new_series: list[bytes]
    """Those not handed over before in this span of log time."""
    closed: Parts
    """Windows that closed, revision 0, by resolution."""
    late: Parts
    """Late rows by resolution, in the order of the log."""
    open: Rollups | None
    """The base windows that are still open: the state to go on from."""
    whole: Parts
    """With that, by resolution: open coarse windows that finer ones have closed into, to be kept whole."""
    amended: Parts
    """And rows of open coarse windows that late points have changed since they were kept."""
    totals: Kept | None = None
    """Running totals that the next ones are compared with: those since they were kept whole."""
    whole_totals: Totals | None = None
    """With that, all of them, to be kept whole since some were forgotten."""
    missed: WindowKeys = NO_WINDOWS
    """Windows of the finest tier whose rows are no longer kept up, though the coarser tiers have got late points."""
    contested: list[bytes] = field(default_factory=list)
    """Series of running totals of which several writers were noticed."""
    revised: dict[int, list[Rollups]] = field(default_factory=dict)
    """By resolution, the new state of the rows that late ones change, once the tables have made it."""
    ledger: Counter[Entry] = field(default_factory=Counter)
    """The ledger entries since the previous checkpoint."""
    batches: Fresh = field(default_factory=lambda: Fresh([], [], [], []))
    """Ids of batches that have counted."""
    ids: Ints = field(default_factory=lambda: np.zeros(0, np.int64))
    """Ids of series by slot."""
    collisions: list[bytes] = field(default_factory=list)
    """Series whose id is another's; their rows are those of overflow series."""
    grouping: Grouping | None = None
    """The prepared groups of the series; None: none are kept."""
    collide: Callable[[bytes], tuple[bytes, int]] = _no_collision
    """Tells the fold that the tables hold another series under the id of this one; its overflow series, and its id."""

    def overflow(self, packed: bytes) -> bytes:
        """Move the rows of a new series whose id is another's to its overflow series, which is returned."""
        name, series_id = self.collide(packed)
        self.series = self.series[: len(self.ids)]  # the fold's own list may have grown meanwhile
        if name not in self.series:
            self.series, self.ids = [*self.series, name], np.append(self.ids, series_id)
            self.grouping = self.grouping and self.grouping.extended(name)
        slots = {self.series.index(packed): self.series.index(name)}
        self.closed = {tier: handed_over(rows, slots) for tier, rows in self.closed.items()}
        self.late = {tier: moved(rows, slots) for tier, rows in self.late.items()}
        self.missed = self.missed._replace(slot=moved_slots(self.missed.slot, slots))
        self.new_series = [name if one == packed else one for one in self.new_series]
        self.collisions = [*self.collisions, packed]
        return name


def forget_samples(work: RollupWork) -> None:
    """Let no row for the tables know its samples, because the format of the checkpoint cannot keep them.

    Else what a row says would depend on whether a process was restarted while its window was open.
    """
    for rows in (*work.closed.values(), *work.late.values()):
        rows.samples = np.full(len(rows), np.nan)


def with_used_series(series: Sequence[bytes], rollups: Rollups) -> SeriesRollups:
    """Only the series that the rollups use, and the rollups with slots that mean those."""
    used, slot = np.unique(rollups.slot, return_inverse=True)
    return SeriesRollups([series[i] for i in used.tolist()], replace(rollups, slot=slot))
