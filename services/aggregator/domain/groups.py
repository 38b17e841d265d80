"""Prepared groups of a commit: what closed rows make, and what late rows change. Times are milliseconds UTC.

Invariant: after every commit the row of a group says what the merge of the rows of its series says, but for the
watermark, which is the highest; and replaying the log gives the same groups, to the last bit.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import pairwise

import numpy as np

from services.aggregator.domain.partition_series import in_order
from services.aggregator.domain.windows.lateness import revise
from shared.model.rollup import Ints, Rollups, concatenate
from shared.model.window import BASE_MS
from shared.prepared.grouping import (
    NO_GROUP,
    Grouping,
    GroupKey,
    Groups,
    PreparedRows,
    divided,
    grouped,
    ranks,
)


def closed_groups(grouping: Grouping, rows: Rollups, ids: Ints) -> Iterator[PreparedRows]:
    """The groups of the windows that these rows close; no two rows are of one series and window."""
    return grouped(grouping, in_order(rows, ids[rows.slot]))


def deltas(grouping: Grouping, rows: Rollups, since: Callable[[GroupKey], float]) -> list[Rollups]:
    """What these rows add to groups, whose numbers stand in the place of slots; each group's in the order of the rows.

    Windows before `since` of their key are left out.
    """
    groups = grouping.groups
    key_of = np.array(groups.key_of, np.int64)
    found = []
    for column in grouping.of_slot.T:
        group = column[rows.slot]
        having = np.flatnonzero(group != NO_GROUP)
        keys, at = np.unique(key_of[group[having]], return_inverse=True)
        since_ms = np.array([since(groups.keys[key]) for key in keys.tolist()])
        if len(having):
            having = having[rows.start_ms[having] >= since_ms[at]]
        if len(having):
            found.append(replace(rows.take(having), slot=group[having].astype(np.int64)))
    return found


def portions(groups: Groups, changes: Rollups, rows: int) -> Iterator[Rollups]:
    """Deltas so divided that each portion changes at most so many rows of prepared groups, all of them."""
    _, at = np.unique(_row_codes(groups, changes), return_inverse=True)
    for begin in range(0, int(at.max()) + 1, rows):
        yield changes.take(np.flatnonzero((at >= begin) & (at < begin + rows)))


def changed_rows(groups: Groups, changes: Rollups) -> list[tuple[int, GroupKey]]:
    """Starts and keys of the rows that deltas change."""
    codes = np.unique(_row_codes(groups, changes))
    keys = len(groups.keys)
    return [(code // keys * BASE_MS, groups.keys[code % keys]) for code in codes.tolist()]


def _row_codes(groups: Groups, changes: Rollups) -> Ints:
    return changes.start_ms // BASE_MS * len(groups.keys) + np.array(groups.key_of, np.int64)[changes.slot]


def revised(groups: Groups, stored: PreparedRows, changes: Rollups) -> PreparedRows:
    """The new state of every row that deltas change, given those of them that exist."""
    numbers = [
        groups.number(key, packed)
        for key, (begin, end) in zip(stored.keys, pairwise(stored.at.tolist()), strict=True)
        for packed in stored.series[begin:end]
    ]
    rank = ranks(groups)
    late = replace(changes, slot=rank[changes.slot])
    if not numbers:
        return divided(groups, revise(None, late))
    known = replace(stored.rollups, slot=rank[numbers])
    touched = np.isin(_codes(known, len(groups)), _codes(late, len(groups)))
    new = revise(known.take(np.flatnonzero(touched)), late)
    rows = concatenate([known.take(np.flatnonzero(~touched)), new])
    return divided(groups, rows.take(np.argsort(_codes(rows, len(groups)))))


def _codes(rows: Rollups, groups: int) -> Ints:
    return rows.start_ms // BASE_MS * groups + rows.slot
