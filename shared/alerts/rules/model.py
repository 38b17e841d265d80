"""A rule, and the rule set that holds the present rules.

Spans are milliseconds. A rule never changes: a new text is a new rule. The version of the rule set rises with each
replacement, so that an evaluator notices it.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from shared.alerts.rules.errors import ExpressionError
from shared.alerts.rules.plan import Comparison

_DURATION = re.compile(
    "".join(rf"(?:(\d{{1,12}}){unit})?" for unit in ("w", "d", "h", "m(?!s)", "s", "ms")), re.ASCII
)
_UNITS_MS = (7 * 24 * 3_600_000, 24 * 3_600_000, 3_600_000, 60_000, 1_000, 1)

LONGEST_MS = 7 * 24 * 3_600_000
"""Longest time that a breach may have to last."""

RESOLVE, KEEP = "resolve", "keep"
"""What becomes of a firing alert whose series is gone."""


@dataclass(frozen=True, slots=True)
class Rule:
    """When to page, and what to say."""

    group: str
    alert: str
    comparison: Comparison
    for_ms: int = 0
    """How long the breach must last, in event time."""
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    keep_firing_ms: int = 0
    """How long it goes on firing when it is clear."""
    clear: Comparison | None = None
    """When it is clear; None: when it does not breach."""
    lookback_ms: int | None = None
    """How long a series may be silent before it is gone; None: by how often it reports."""
    no_data: str = RESOLVE
    """What becomes of a firing alert whose series is gone: `resolve` or `keep`."""
    min_samples: int = 0
    """Windows with fewer points say nothing."""
    on_close: bool = False
    """Whether open windows decide nothing, even where more points cannot undo what they say."""

    @property
    def key(self) -> str:
        """Names the rule, whatever its text."""
        return f"{self.group}/{self.alert}"

    @property
    def live(self) -> bool:
        """Whether live windows decide as well as closed ones."""
        return self.comparison.live and self.for_ms == 0 and not self.on_close


@dataclass(slots=True)
class RuleSet:
    """The present rules; shared by all partitions."""

    rules: Sequence[Rule] = ()
    version: int = 0
    """Rises with each replacement."""

    def replace(self, rules: Sequence[Rule]) -> None:
        """Evaluate these from now on."""
        self.rules = list(rules)
        self.version += 1


def duration_ms(text: str) -> int:
    """A duration as Prometheus writes it, such as `1m30s`; raise `ExpressionError`."""
    found = _DURATION.fullmatch(text)
    if found is None or not any(found.groups()):
        if text == "0":
            return 0
        raise ExpressionError(0, f"{text[:20]!r} is not a duration such as 30s, 5m or 1h30m")
    total = sum(int(part) * unit for part, unit in zip(found.groups(), _UNITS_MS, strict=True) if part)
    if total > LONGEST_MS:
        raise ExpressionError(0, "a week is the longest")
    return total
