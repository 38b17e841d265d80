"""The bounds of what the partitions of a worker remember.

`used` is of the fullest partition, `evicted` the sum over the partitions owned now; a partition that is given away
takes its counts along.
"""

from collections.abc import Callable, Iterable

from services.aggregator.domain.repeats import MAX_IDS
from services.aggregator.domain.totals.increments import MAX_STARTS, MAX_TOTALS
from services.aggregator.service import MAX_PRODUCERS, MAX_SERIES, PartitionFold
from shared.model.bound import Bound

Folds = Callable[[], Iterable[PartitionFold]]
"""The folds of the partitions that are owned now."""

Count = Callable[[PartitionFold], int]


def bounds(folds: Folds) -> tuple[Bound, ...]:
    """The bounds of everything that a fold remembers beyond a commit."""
    return (
        _fullest(folds, "fold_series", MAX_SERIES, lambda fold: len(fold.series)),
        _fullest(folds, "producers", MAX_PRODUCERS, lambda fold: len(fold.seen), lambda fold: fold.evicted),
        _fullest(
            folds, "batch_ids", MAX_IDS, lambda fold: fold.repeats.size, lambda fold: fold.repeats.evicted
        ),
        _fullest(
            folds,
            "runs",
            MAX_STARTS,
            lambda fold: fold.counters.totals.starts,
            lambda fold: fold.counters.totals.evicted,
        ),
        _fullest(folds, "running_totals", MAX_TOTALS, lambda fold: fold.counters.totals.size),
    )


def _nothing(_: PartitionFold) -> int:
    return 0


def _fullest(folds: Folds, name: str, limit: int, count: Count, lost: Count = _nothing) -> Bound:
    return Bound(
        name, "entries", limit, lambda: max(map(count, folds()), default=0), lambda: sum(map(lost, folds()))
    )
