"""Rows of a message by the kind of their series: running totals become increments, all others stay. Milliseconds UTC.

Invariant: what a total adds, and when totals are forgotten, follows from the messages in their order, also after
restarts.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from services.aggregator.domain.totals.increments import FORGET_EVERY_MS, RunningTotals
from services.aggregator.domain.windows.entries import PLAIN, Entries, joined
from shared.ledger.entries import CONTESTED_TOTAL, STALE_TOTAL
from shared.model.rollup import Ints

_OTHER, _CUMULATIVE, _HISTOGRAM = 0, 1, 2
_KINDS = {"cumulative": _CUMULATIVE, "histogram": _HISTOGRAM}


class JudgedMessage(NamedTuple):
    """What a message adds."""

    entries: Entries
    refused: Mapping[str, NDArray[np.bool_]]
    """By outcome, which of its rows are totals that add nothing for a reason that the ledger names."""


class Counters:
    """The running totals of one partition among all of its series."""

    def __init__(self, kind_of: Callable[[bytes], str], totals: RunningTotals | None = None) -> None:
        self.totals = totals or RunningTotals()
        self._kind_of = kind_of
        self._kind = np.zeros(0, np.uint8)
        """Of the series of each slot that was asked for."""
        self._any = False

    def judge(self, entries: Entries, series: Sequence[bytes], watermark_ms: int) -> JudgedMessage:
        """What rows with slots that mean these series add, given the watermark before them."""
        self._know(series)
        if not self._any:
            return JudgedMessage(entries, {})
        kind = self._kind[entries.slot]
        running = np.flatnonzero(kind)
        if not len(running):
            return JudgedMessage(entries, {})
        judged = self.totals.judge(entries.rows(running), kind[running] == _HISTOGRAM, watermark_ms)
        found = {STALE_TOTAL: judged.stale, CONTESTED_TOTAL: judged.contested}
        refused = {outcome: _among(running, mask, len(kind)) for outcome, mask in found.items() if mask.any()}
        if len(running) == len(kind):
            return JudgedMessage(judged.entries, refused)
        plain = entries.rows(kind == _OTHER)
        plain.role = np.full(len(plain), PLAIN, np.uint8)
        return JudgedMessage(joined([plain, judged.entries]), refused)

    def _know(self, series: Sequence[bytes]) -> None:
        known = len(self._kind)
        if known < len(series):
            new = [_KINDS.get(self._kind_of(packed), _OTHER) for packed in series[known:]]
            self._kind = np.concatenate((self._kind, np.array(new, np.uint8)))
            self._any = self._any or any(new)

    def forget(self, before_ms: int, moved_ms: int) -> None:
        """The watermark has moved: now and then, old totals are forgotten."""
        if moved_ms // FORGET_EVERY_MS > before_ms // FORGET_EVERY_MS:
            self.totals.forget(moved_ms)

    def keep(self, slots: Ints) -> None:
        """Renumber the series: slot `slots[i]`, ascending, becomes i."""
        self._kind = self._kind[slots[slots < len(self._kind)]]
        self._any = bool(self._kind.any())
        self.totals.keep(slots)


def _among(rows: Ints, mask: NDArray[np.bool_], size: int) -> NDArray[np.bool_]:
    """The mask of these rows as one of all."""
    found = np.zeros(size, np.bool_)
    found[rows] = mask
    return found
