"""What differs in a selection of times and values: label values by their share inside less their share outside. Pure.

Times are milliseconds UTC, shares 0 to 1. What lies inside is read off the sketches: a bucket belongs to it whole, by
the value that stands for it, so its ends are within 1 %.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from services.gateway.query.questions.grouped import Grouped
from shared.model import sketch
from shared.model.rollup import Floats


@dataclass(frozen=True, slots=True)
class Area:
    """A part of a chart: times [from, to) by values from `low` to `high`."""

    from_ms: int
    to_ms: int
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Difference:
    """How often one label has one value, inside and outside."""

    label: str
    value: str
    """Empty where series do not bear the label."""
    inside: float
    """Weight inside."""
    outside: float
    inside_share: float
    outside_share: float

    @property
    def difference(self) -> float:
        """By how much its share inside is larger."""
        return self.inside_share - self.outside_share


def weights(found: Grouped, area: Area) -> tuple[Floats, Floats]:
    """Of each group, the weight inside the area, and outside it."""
    rows = found.rollups
    value = sketch.values_of(rows.bucket)
    row = np.repeat(np.arange(len(rows)), np.diff(rows.sketch_at))
    in_time = (rows.start_ms >= area.from_ms) & (rows.start_ms < area.to_ms)
    within = in_time[row] & (value >= area.low) & (value <= area.high)
    groups, slot = len(found.groups), rows.slot[row]
    inside = np.bincount(slot, np.where(within, rows.weight, 0.0), groups).astype(np.float64, copy=False)
    whole = np.bincount(slot, rows.weight, groups).astype(np.float64, copy=False)
    return inside, whole - inside


def differences(found: Grouped, area: Area, labels: Sequence[str], most: int) -> list[Difference]:
    """Label values whose share inside differs most from that outside, those that are larger inside first.

    `found` has a group for each series.
    """
    inside, outside = weights(found, area)
    named: list[Mapping[str, str]] = [dict(group.labels) for group in found.groups]
    shares = []
    for label in labels:
        sums: dict[str, list[float]] = {}
        for place, group in enumerate(named):
            each = sums.setdefault(group.get(label, ""), [0.0, 0.0])
            each[0] += float(inside[place])
            each[1] += float(outside[place])
        shares += [
            Difference(label, value, *both, *map(_share, both, (float(inside.sum()), float(outside.sum()))))
            for value, both in sums.items()
        ]
    return sorted(shares, key=lambda one: (-one.difference, one.label, one.value))[:most]


def _share(part: float, whole: float) -> float:
    return part / whole if whole else 0.0
