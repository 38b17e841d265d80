"""A series: one metric of one tenant, with one kind, one unit and one set of labels.

Two points belong to the same series when all five are equal.
"""

import re
from dataclasses import dataclass

from shared.errors import Rejected
from shared.model.labels import Labels, is_name

KINDS = ("gauge", "delta", "cumulative", "histogram")
"""gauge: a level; delta: something to sum or to take quantiles of; cumulative: a running total; histogram: running
totals bucket by bucket, the value the middle of a bucket and the weight its total."""

MAX_METRIC_BYTES = 200
"""Longest metric name."""

MAX_UNIT_BYTES = 32
"""Longest unit."""

_UNIT = re.compile(r"[!-~]*")


@dataclass(frozen=True, slots=True)
class Series:
    """The identity of a series."""

    tenant_id: int
    """Owner of the data."""
    metric: str
    """Name of the thing measured."""
    kind: str
    """One of `KINDS`."""
    unit: str
    """UCUM symbol, or empty."""
    labels: Labels
    """Sorted (name, value) pairs."""


def check_metric(metric: str) -> None:
    """Raise `Rejected` with code `invalid_name` unless `metric` may name a metric."""
    if not is_name(metric, MAX_METRIC_BYTES) or metric.startswith("__"):
        raise Rejected(
            "invalid_name",
            f"name: must be 1 to {MAX_METRIC_BYTES} bytes of UTF-8 without control characters, "
            "not starting with '__'",
        )


def check_kind(kind: str) -> None:
    """Raise `Rejected` with code `unsupported_kind` unless points of this kind are folded."""
    if kind not in KINDS:
        raise Rejected("unsupported_kind", f"kind: must be one of {', '.join(KINDS)}")


def check_unit(unit: str) -> None:
    """Raise `Rejected` with code `invalid_unit` unless `unit` is short printable ASCII."""
    if not _UNIT.fullmatch(unit) or len(unit) > MAX_UNIT_BYTES:
        raise Rejected(
            "invalid_unit", f"unit: must be at most {MAX_UNIT_BYTES} printable ASCII characters, no blanks"
        )
