"""Running totals that another version of the snapshot stored, in the terms of this one. Milliseconds UTC.

Version 4 does not say which starts make up a sequence, and tells no streams of a series apart.
"""

from dataclasses import replace

import numpy as np

from services.aggregator.domain.totals.history import NOTHING, TIME_BITS, Ints, Totals, keys_of, merged
from services.aggregator.domain.totals.increments import Kept
from services.aggregator.domain.totals.rules import NEVER_MS, WAVER_MS, Mask, firsts
from services.aggregator.domain.totals.streams import Columns


def linked(of_start: Columns) -> Columns:
    """With the columns of sequences where these were not stored: starts near to each other make up one."""
    sequence = _heads(of_start["stream"], of_start["start_ms"])
    order = np.lexsort((of_start["first_ms"], sequence))
    first = order[firsts(sequence[order])]
    found = of_start | {"sequence": sequence, "contested_ms": np.full(len(sequence), NEVER_MS)}
    at = np.unique(sequence, return_inverse=True)[1]
    return found | {name: of_start[name][first][at] for name in ("whole", "first_ms")}


def _heads(stream: Ints, start_ms: Ints) -> Ints:
    order = np.lexsort((start_ms, stream))
    near = np.zeros(len(order), np.bool_)
    ordered = start_ms[order]
    near[1:] = (ordered[1:] - ordered[:-1] <= WAVER_MS) & (ordered[:-1] > 0)
    near[1:] &= stream[order[1:]] == stream[order[:-1]]
    begins = np.maximum.accumulate(np.where(near, 0, np.arange(len(order))))
    head = np.full(len(order), len(order))
    np.minimum.at(head, begins, order)
    sequence = np.empty(len(order), np.int64)
    sequence[order] = head[begins]
    return sequence


def without_ids(kept: Kept, whole: Totals) -> tuple[Kept, Totals]:
    """Running totals with the totals that were kept whole, told apart by nothing but series, bucket and start.

    Of starts that are the same then, the first stays; the totals of the others are forgotten.
    """
    if not kept.of_stream["stream_id"].any():
        return kept, whole
    of_stream, stream, several = _merged_streams(kept.of_stream)
    of_start, number = _merged_starts(kept.of_start, stream, several)
    since, before = (_renumbered(totals, number) for totals in (kept.totals, whole))
    found = merged(before, since) if kept.continued else since
    return replace(kept, of_stream=of_stream, of_start=of_start, totals=found, continued=False), NOTHING


def _merged_streams(of_stream: Columns) -> tuple[Columns, Ints, Mask]:
    """The streams without ids; the number that each old one has among them, and which new ones were several."""
    bucket = np.stack([of_stream["slot"], of_stream["histogram"], of_stream["middle"].view(np.int64)])
    _, first, number, count = np.unique(
        bucket, axis=1, return_index=True, return_inverse=True, return_counts=True
    )
    number = number.ravel()
    found = {name: column[first] for name, column in of_stream.items()}
    np.minimum.at(found["begun_ms"], number, of_stream["begun_ms"])
    found |= {"stream_id": np.zeros(len(first), np.uint64), "exact": found["exact"] | (count > 1)}
    return found, number, count > 1


def _merged_starts(of_start: Columns, number: Ints, several: Mask) -> tuple[Columns, Ints]:
    """The starts of merged streams, each a sequence of its own; the number of each old one, -1 if it is gone."""
    stream = number[of_start["stream"]]
    alive = np.zeros(len(stream), np.bool_)
    alive[np.unique(stream << TIME_BITS | of_start["start_ms"], return_index=True)[1]] = True
    start = np.where(alive, np.cumsum(alive) - 1, -1)
    found = {name: column[alive] for name, column in of_start.items()} | {"stream": stream[alive]}
    own = np.arange(len(found["stream"]))
    found["sequence"] = np.where(several[found["stream"]], own, start[found["sequence"]])
    return found, start


def _renumbered(totals: Totals, number: Ints) -> Totals:
    start = number[totals.start]
    return Totals(keys_of(start, totals.ts_ms), totals.total).rows(start >= 0)
