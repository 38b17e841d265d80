"""The bounds of what the partitions of a worker remember, and counts of what they noticed.

`used` is of the fullest partition, `evicted` the sum over the partitions owned now; a partition that is given away
takes its counts along.
"""

from collections.abc import Callable, Iterable

from services.aggregator.domain.repeats import MAX_IDS
from services.aggregator.domain.totals.increments import MAX_STARTS, MAX_TOTALS
from services.aggregator.service import MAX_PRODUCERS, MAX_SERIES, PartitionFold
from shared.model.bound import Bound
from shared.runtime.instruments import Count

Folds = Callable[[], Iterable[PartitionFold]]
"""The folds of the partitions that are owned now."""

Size = Callable[[PartitionFold], int]


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


def counts(folds: Folds) -> tuple[Count, ...]:
    """What an operator should know of, beyond what has no room."""
    return (
        Count(
            "contested_totals",
            "Running totals that count nothing, since several writers send their series",
            lambda: sum(fold.counters.totals.contested for fold in folds()),
        ),
        Count(
            "series_collisions",
            "Series that were found to have the id of another",
            lambda: sum(fold.known_series.collisions for fold in folds()),
        ),
        Count(
            "messages_lost",
            "Messages that are missing between those of a producer",
            lambda: sum(fold.lost for fold in folds()),
        ),
    )


def _nothing(_: PartitionFold) -> int:
    return 0


def _fullest(folds: Folds, name: str, limit: int, count: Size, lost: Size = _nothing) -> Bound:
    return Bound(
        name, "entries", limit, lambda: max(map(count, folds()), default=0), lambda: sum(map(lost, folds()))
    )
