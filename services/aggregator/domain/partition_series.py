"""The series of one partition: the slot and the id of each, and where the rows of a series go whose id is another's.

A slot numbers a series within one partition and process; tables know a series by its id. Of two series with one id the
one that came first, or that the tables hold, keeps it. Rows of the other are handed over as those of an overflow
series: same tenant, metric, kind and unit. Invariant: no two series whose rows are handed over have one id.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from services.aggregator.domain.windows.lateness import WindowKeys, revise
from shared.errors import Rejected
from shared.model.rollup import Ints, Rollups

MAX_ATTEMPTS = 1_000
"""Names of overflow series that are tried before a series is refused."""


def _unnamed(packed: bytes, attempt: int) -> bytes:
    return b"overflow:%d:%b" % (attempt, packed)


@dataclass(frozen=True, slots=True)
class SeriesNames:
    """How series are named; the defaults do where nothing is stored."""

    id_of: Callable[[bytes], int] = hash
    """The 64-bit id of a series, signed."""
    overflow_of: Callable[[bytes, int], bytes] = _unnamed
    """The overflow series of a series, by attempt: names that no other partition uses."""
    taken: Collection[bytes] = ()
    """Series that are known to have the id of another."""


UNSTORED = SeriesNames()


class PartitionSeries:
    """Series by slot."""

    def __init__(self, names: SeriesNames) -> None:
        self.packed: list[bytes] = []
        """Identities by slot."""
        self.collisions = 0
        """Series whose id was found to be another's."""
        self._names = names
        self._taken = set(names.taken)
        self._slots: dict[bytes, int] = {}
        self._ids: list[int] = []
        self._owner: dict[int, int] = {}
        """Id -> slot of the series that has it."""
        self._overflow: dict[int, int] = {}
        """Slot of a series without an id of its own -> slot of its overflow series."""
        self._new: list[bytes] = []
        self._found: list[bytes] = []

    def __len__(self) -> int:
        return len(self.packed)

    @property
    def has_new(self) -> bool:
        """Whether a series was met since the previous hand-over."""
        return bool(self._new)

    def known(self, series: Sequence[bytes]) -> list[int | None]:
        """The slot of each series, None where it is new."""
        return list(map(self._slots.get, series))

    def slot(self, packed: bytes) -> int:
        """The slot of a series; raise `Rejected`, with the series unknown, when no id is left for it."""
        slot = self._slots.get(packed)
        return self._add(packed) if slot is None else slot

    def _add(self, packed: bytes) -> int:
        series_id = self._names.id_of(packed)
        collides = packed in self._taken or series_id in self._owner
        overflow = self._overflow_slot(packed) if collides else None
        slot = self._slots[packed] = len(self.packed)
        self.packed.append(packed)
        self._ids.append(series_id)
        if overflow is None:
            self._owner[series_id] = slot
            self._new.append(packed)
            return slot
        self._overflow[slot] = overflow
        if packed not in self._taken:
            self._take(packed)
        return slot

    def _take(self, packed: bytes) -> None:
        self._taken.add(packed)
        self._found.append(packed)
        self.collisions += 1

    def _overflow_slot(self, packed: bytes) -> int:
        for attempt in range(MAX_ATTEMPTS):
            name = self._names.overflow_of(packed, attempt)
            if name in self._taken or name == packed:
                continue
            slot = self._slots.get(name)
            if slot is not None:
                return slot
            if self._names.id_of(name) not in self._owner:
                return self._add(name)
        raise Rejected("too_many_series", "no id is left for an overflow series")

    def collide(self, packed: bytes) -> tuple[bytes, int]:
        """The tables hold another series under the id of this one: its overflow series from now on, and the id of that.

        Raises `Rejected` when no id is left.
        """
        if packed not in self._taken:
            self._take(packed)
        slot = self._slots.get(packed)
        overflow = self._overflow_slot(packed)
        if slot is not None:
            if self._owner.get(self._ids[slot]) == slot:
                del self._owner[self._ids[slot]]
            moved = [one for one, place in self._overflow.items() if place == slot]
            self._overflow |= dict.fromkeys([slot, *moved], overflow)
        return self.packed[overflow], self._ids[overflow]

    def handed_over(self, rows: Rollups) -> Rollups:
        """The rows of one message, or of one close, under series with ids of their own."""
        return handed_over(rows, self._overflow) if self._overflow else rows

    def in_order(self, rows: Rollups) -> Rollups:
        """The same by window and bytes: an order that a replay has too, whatever slots it gives."""
        rows = self.handed_over(rows)
        slots, starts = rows.slot.tolist(), rows.start_ms.tolist()
        order = sorted(range(len(slots)), key=lambda row: (starts[row], self.packed[slots[row]]))
        return rows.take(np.array(order, np.int64)) if order != sorted(order) else rows

    def renew(self, slots: Sequence[int]) -> None:
        """Hand the series of these slots over once more, though they are not new: they are in use."""
        self._new += [self.packed[self._overflow.get(slot, slot)] for slot in slots]

    def own_windows(self, keys: WindowKeys) -> WindowKeys:
        """The windows of series with ids of their own under which rows of these are handed over."""
        return keys._replace(slot=moved_slots(keys.slot, self._overflow))

    def take(self) -> tuple[list[bytes], list[bytes]]:
        """Hand over the series that are new, and those found without an id of their own."""
        taken, self._new, self._found = (self._new, self._found), [], []
        return taken

    def ids(self) -> Ints:
        """The ids by slot."""
        return np.array(self._ids, np.int64)

    def used(self, slots: Ints) -> Ints:
        """These slots, ascending, and those of their overflow series."""
        more = [self._overflow[slot] for slot in slots.tolist() if slot in self._overflow]
        return np.union1d(slots, more).astype(np.int64) if more else slots

    def keep(self, slots: Ints) -> None:
        """Forget all but these: slot `slots[i]`, ascending, becomes i."""
        kept = slots.tolist()
        place = {slot: at for at, slot in enumerate(kept)}
        self.packed = [self.packed[slot] for slot in kept]
        self._ids = [self._ids[slot] for slot in kept]
        self._slots = {packed: slot for slot, packed in enumerate(self.packed)}
        self._owner = {one: place[slot] for one, slot in self._owner.items() if slot in place}
        self._overflow = {place[one]: place[slot] for one, slot in self._overflow.items() if one in place}

    def restored(self, series: Sequence[bytes]) -> Ints:
        """The slots of stored series: they are not new, but for overflow series, which may be others this time."""
        slots = np.array([self.slot(packed) for packed in series], np.int64)
        overflows = {self.packed[slot] for slot in self._overflow.values()}
        self._new = [packed for packed in self._new if packed in overflows]
        return slots


def in_order(rows: Rollups, ids: Ints) -> Rollups:
    """Rows by window and id, given the id of each."""
    order = np.lexsort((ids, rows.start_ms))
    return rows if (np.diff(order) == 1).all() else rows.take(order)


def moved(rows: Rollups, overflow: Mapping[int, int]) -> Rollups:
    """The rows of slots in `overflow` under the slots given there."""
    return replace(rows, slot=moved_slots(rows.slot, overflow))


def moved_slots(slots: Ints, overflow: Mapping[int, int]) -> Ints:
    """Those of them that are in `overflow` as it says, the others as they are."""
    if not overflow:
        return slots
    return np.array([overflow.get(slot, slot) for slot in slots.tolist()], np.int64)


def handed_over(rows: Rollups, overflow: Mapping[int, int]) -> Rollups:
    """The same for the rows of one message, or of one close: merged where several become one row."""
    if overflow.keys().isdisjoint(rows.slot.tolist()):
        return rows
    revision = int(rows.revision.max())
    merged = revise(None, moved(rows, overflow))
    return replace(merged, revision=np.full(len(merged), revision))
