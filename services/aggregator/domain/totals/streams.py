"""Chains of running totals, and the runs that they consist of. Milliseconds UTC.

A chain is a cumulative series, or one bucket of a histogram, named by the middle of the bucket; a run is the totals of
a chain that began to run at one instant. The run that a chain begins with is not whole: its first total counts nothing,
for nobody saw what it had counted before. The law: the numbers of chains and runs follow from the log alone.
"""

from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from services.aggregator.domain.totals.history import TIME_BITS, Totals
from services.aggregator.domain.totals.numbering import Numbering

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Mask = NDArray[np.bool_]
Columns: TypeAlias = dict[str, NDArray[Any]]

NEVER_MS, ALWAYS_MS = np.iinfo(np.int64).min, np.iinfo(np.int64).max

_MIDDLE_BITS = 38
"""Of the key of a chain, beside those of a slot: 0 without buckets, else one more than the number of the middle."""

_OF_CHAIN = {"slot": 0, "histogram": False, "middle": 0.0, "begun_ms": ALWAYS_MS}
_OF_RUN = {"chain": 0, "start_ms": 0, "whole": False, "first_ms": ALWAYS_MS}
_NEWEST = {"newest_ms": NEVER_MS, "newest": np.nan}


class Owners(NamedTuple):
    """Whose some totals are."""

    slot: NDArray[np.integer]
    histogram: Mask
    """Whether they are a bucket's."""
    middle: Floats
    """Middle of the bucket; 0 without."""
    start_ms: Ints
    """When they began to run; 0 where unknown."""

    def rows(self, index: Mask | Ints) -> "Owners":
        """These rows."""
        return Owners(self.slot[index], self.histogram[index], self.middle[index], self.start_ms[index])


class Runs:
    """Growable columns: slot, histogram, middle and begun_ms by chain, the others by run."""

    __slots__ = (*_OF_CHAIN, *_OF_RUN, *_NEWEST, "_chains", "_middles", "_most", "_runs")

    slot: Ints
    histogram: Mask
    middle: Floats
    begun_ms: Ints
    """Start of the run that is not whole."""
    chain: Ints
    start_ms: Ints
    whole: Mask
    """Whether the first total counts in full."""
    first_ms: Ints
    """Event time of the first total."""
    newest_ms: Ints
    """Event time of the newest total."""
    newest: Floats
    """The newest total."""

    def __init__(self, most: int) -> None:
        self._most = most
        for name, empty in (_OF_CHAIN | _OF_RUN | _NEWEST).items():
            setattr(self, name, np.full(0, empty))
        self._number()

    def __len__(self) -> int:
        return len(self._runs)

    def _number(self) -> None:
        """Number the columns as they stand."""
        self._middles, self._chains, self._runs = Numbering(), Numbering(), Numbering()
        middle = self._middles.of(self.middle.view(np.int64))
        self._chains.of(_chain_keys(self.slot, self.histogram, middle))
        self._runs.of(_run_keys(self.chain, self.start_ms))

    def of(self, owners: Owners, horizon_ms: int) -> tuple[Ints, Ints]:
        """The run of each row, -1 where no more are remembered; and the runs that have become whole by this."""
        run = self._find(owners)
        unknown = np.flatnonzero(run < 0)
        new = unknown[: max(0, self._most - len(self))]
        if not len(new):
            return run, new
        run[new], completed = self._begin(owners.rows(new), horizon_ms)
        if len(new) < len(unknown):
            run[unknown] = self._find(owners.rows(unknown))
        return run, completed

    def _find(self, owners: Owners) -> Ints:
        middle = self._middles.find(owners.middle.view(np.int64))
        chain = self._chains.find(_chain_keys(owners.slot, owners.histogram, middle))
        return self._runs.find(_run_keys(chain, owners.start_ms))

    def _begin(self, new: Owners, horizon_ms: int) -> tuple[Ints, Ints]:
        """The runs of these rows, which are new; and the runs that have become whole by this."""
        chains = len(self._chains)
        middle = self._middles.of(new.middle.view(np.int64))
        chain = self._chains.of(_chain_keys(new.slot, new.histogram, middle))
        self._grow(_OF_CHAIN, len(self._chains))
        self.slot[chain], self.histogram[chain], self.middle[chain] = new.slot, new.histogram, new.middle
        known = np.unique(chain[chain < chains])
        before_ms = self.begun_ms[known]
        first = self._runs.find(_run_keys(known, before_ms))
        # What the first total of a chain has counted stays so once it is out of reach.
        movable = (first >= 0) & (self.first_ms.take(first, mode="clip") >= horizon_ms)
        moves = (chain >= chains) | np.isin(chain, known[movable])
        np.minimum.at(self.begun_ms, chain[moves], new.start_ms[moves])
        run = self._runs.of(_run_keys(chain, new.start_ms))
        self._grow(_OF_RUN | _NEWEST, len(self))
        self.chain[run], self.start_ms[run] = chain, new.start_ms
        self.whole[run] = new.start_ms > self.begun_ms[chain]
        completed = np.sort(first[movable & (self.begun_ms[known] < before_ms)])
        self.whole[completed] = True
        return run, completed

    def _grow(self, columns: dict[str, Any], size: int) -> None:
        have = len(getattr(self, next(iter(columns))))
        if size > have:
            more = max(size, 2 * have, 64) - have
            for name, empty in columns.items():
                setattr(self, name, np.concatenate((getattr(self, name), np.full(more, empty))))

    def owners(self, run: Ints) -> Owners:
        """Whose these runs are."""
        chain = self.chain[run]
        return Owners(self.slot[chain], self.histogram[chain], self.middle[chain], self.start_ms[run])

    def slots(self) -> Ints:
        """The series of all chains, ascending."""
        return np.unique(self.slot[: len(self._chains)])

    def keep(self, alive: Mask) -> Ints:
        """Forget all other runs; the number that each of these has now.

        A forgotten run that goes on counts nothing at first, like the first of its chain.
        """
        gone, kept = np.flatnonzero(~alive), np.flatnonzero(alive)
        np.maximum.at(self.begun_ms, self.chain[gone], self.start_ms[gone])
        chains, chain = np.unique(self.chain[kept], return_inverse=True)
        self._take(_OF_CHAIN, chains)
        self._take(_OF_RUN | _NEWEST, kept)
        self.chain = chain.astype(np.int64, copy=False)
        self._number()
        return np.cumsum(alive) - 1

    def _take(self, columns: dict[str, Any], index: Ints) -> None:
        for name in columns:
            setattr(self, name, getattr(self, name)[index])

    def renumber(self, slots: Ints) -> None:
        """Series are renumbered: `slots[i]`, ascending, becomes i."""
        self._take(_OF_CHAIN, np.arange(len(self._chains)))
        self._take(_OF_RUN | _NEWEST, np.arange(len(self)))
        self.slot = np.searchsorted(slots, self.slot)
        self._number()

    def columns(self) -> tuple[Columns, Columns]:
        """Copies of the columns of chains, and of those of runs but for the newest totals."""
        sizes = (_OF_CHAIN, len(self._chains)), (_OF_RUN, len(self))
        of_chain, of_run = (
            {name: getattr(self, name)[:size].copy() for name in names} for names, size in sizes
        )
        return of_chain, of_run

    def restore(self, of_chain: Columns, of_run: Columns, newest: Totals) -> None:
        """Start from these columns and the newest total of each run."""
        columns = of_chain | of_run | {"newest_ms": newest.ts_ms, "newest": newest.total}
        for name, column in columns.items():
            setattr(self, name, column)
        self._number()


def _chain_keys(slot: NDArray[np.integer], histogram: Mask, middle: Ints) -> Ints:
    """The key of each chain; where the middle has no number, one that no chain has."""
    return slot.astype(np.int64) << _MIDDLE_BITS | (middle + 1) * histogram


def _run_keys(chain: Ints, start_ms: Ints) -> Ints:
    """The key of each run; where the chain has no number, one that no run has."""
    return chain << TIME_BITS | start_ms
