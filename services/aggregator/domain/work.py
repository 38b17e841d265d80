"""The work of a partition for the tables, and rollups with the series that their slots mean.

Times are milliseconds UTC. A slot numbers a series within one partition and process; elsewhere a series is identified
by its bytes.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple, TypeAlias

import numpy as np

from services.aggregator.domain.repeats import Fresh
from services.aggregator.domain.totals.history import Totals
from services.aggregator.domain.totals.increments import Kept
from services.aggregator.domain.windows.tiers import Parts
from shared.ledger.entries import Entry
from shared.model.rollup import Rollups


class SeriesRollups(NamedTuple):
    """Rollups with the series that their slots mean."""

    series: list[bytes]
    rollups: Rollups


RollupsByTier: TypeAlias = Mapping[int, SeriesRollups]
"""By resolution."""


@dataclass(slots=True, eq=False)
class RollupWork:
    """What a fold has gathered for the tables since its previous checkpoint; slots mean `series`."""

    series: list[bytes]
    """Identities by slot."""
    new_series: list[bytes]
    """Those not handed over before."""
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
    revised: dict[int, list[Rollups]] = field(default_factory=dict)
    """By resolution, the new state of the rows that late ones change, once the tables have made it."""
    ledger: Counter[Entry] = field(default_factory=Counter)
    """The ledger entries since the previous checkpoint."""
    batches: Fresh = field(default_factory=lambda: Fresh([], [], [], []))
    """Ids of batches that have counted."""


def with_used_series(series: Sequence[bytes], rollups: Rollups) -> SeriesRollups:
    """Only the series that the rollups use, and the rollups with slots that mean those."""
    used, slot = np.unique(rollups.slot, return_inverse=True)
    return SeriesRollups([series[i] for i in used.tolist()], replace(rollups, slot=slot))
