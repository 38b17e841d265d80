"""A figure: one JSON line with its value, its naive peer, their ratio and the conditions.

Rates are per CPU-second of the process under test. A figure whose run went wrong anywhere is `Invalid` and is printed
as an error; no value is estimated.
"""

import statistics
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

PAIRS = 3
"""Times that ours and the naive peer are measured alternately."""


class Invalid(Exception):
    """The figure could not be measured; the message says why."""


@dataclass(frozen=True, slots=True)
class Line:
    """One figure as it is printed."""

    figure: str
    value: float
    unit: str
    naive: float | None
    """The same of the naive peer in the same run; None: there is none, `conditions` say why."""
    ratio: float | None
    """How many times better than the naive peer."""
    goal: str
    reached: bool
    spread: list[float] | None = None
    """Lowest and highest of what `value` is the median of."""
    conditions: dict[str, Any] = field(default_factory=dict)

    def fields(self) -> dict[str, Any]:
        """The line as a flat object."""
        fields: dict[str, Any] = asdict(self)
        conditions: dict[str, Any] = fields.pop("conditions")
        return fields | conditions


def compared(
    name: str, ours: Sequence[float], naive: Sequence[float], *, goals: tuple[float, float],
    unit: str = "points/CPU-s", **conditions: Any,
) -> Line:  # fmt: skip
    """The line of a rate per CPU-second: medians of pairs; `goals` are the least ratio and value."""
    ratios = [own / other for own, other in zip(ours, naive, strict=True)]
    value, ratio = statistics.median(ours), statistics.median(ratios)
    least_ratio, least_value = goals
    goal = f"ratio >= {least_ratio:g}" + (f", value >= {least_value:g}" if least_value else "")
    conditions |= {"ratio_spread": rounded(ratios), "pairs": len(ratios)}
    return Line(
        name, round(value), unit, round(statistics.median(naive)), round(ratio, 1 if ratio >= 10 else 2), goal,
        ratio >= least_ratio and value >= least_value, rounded(ours), conditions,
    )  # fmt: skip


def rounded(values: Sequence[float]) -> list[float]:
    """Lowest and highest, to four figures."""
    return [float(f"{pick(values):.4g}") for pick in (min, max)]


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that `share` of all do not exceed."""
    ordered = sorted(values)
    return ordered[max(0, -int(-share * len(ordered) // 1) - 1)]


def say(text: str) -> None:
    """Print a line of progress."""
    print(text, file=sys.stderr, flush=True)
