"""What a rule reads of a series: which series, how many of their windows, and what is made of these.

Spans are milliseconds. Invariant: a rule sees only series of kinds for which its function has a meaning.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b
from typing import Any, Literal, NamedTuple

from shared.model.series import KINDS
from shared.model.window import BASE_MS
from shared.promql import patterns
from shared.promql.names import underscored

NAME, KIND, UNIT = "__name__", "__kind__", "__unit__"
"""What is matched beside labels."""

ANY = frozenset(KINDS)
POINTS = frozenset({"gauge", "delta"})
"""Kinds whose points are values of their own."""
GROWTH = frozenset({"delta", "cumulative"})
"""Kinds whose windows say what was added."""

Operation = Literal["max", "min", "sum", "count", "avg", "last", "quantile"]
OPERATIONS: tuple[Operation, ...] = ("max", "min", "sum", "count", "avg", "last")
"""What is made of windows, beside quantiles."""

_FOREIGN = re.compile(r"[^A-Za-z0-9_]")


class Candidate(NamedTuple):
    """A series as selectors see it."""

    names: Mapping[str, str]
    """Its metric by the way in which it is spelled: `quoted`, `bare`, `alias`."""
    kind: str
    labels: Mapping[str, str]
    """Kind and unit among them."""


def candidate(metric: str, kind: str, unit: str, labels: Mapping[str, str]) -> Candidate:
    """A series as selectors see it."""
    names = {"quoted": metric, "bare": underscored(metric), "alias": _FOREIGN.sub("_", metric)}
    return Candidate(names, kind, {**labels, KIND: kind, UNIT: unit})


@dataclass(frozen=True, slots=True)
class Matcher:
    """One condition on one label; a label that a series does not bear is empty."""

    label: str
    value: str
    is_pattern: bool = False
    negated: bool = False

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Whether a series with these labels is asked for."""
        value = labels.get(self.label, "")
        found = bool(_program(self.value).fullmatch(value)) if self.is_pattern else value == self.value
        return found is not self.negated


@lru_cache(maxsize=512)
def _program(pattern: str) -> Any:
    return patterns.compiled(pattern)


@dataclass(frozen=True, slots=True)
class Selector:
    """Some series of one metric."""

    name: str
    spelling: Literal["quoted", "bare", "alias"]
    """A bare name is also that of metrics with other signs for its `_`; so is an alias, which has no `:` either."""
    matchers: tuple[Matcher, ...] = ()

    def selects(self, series: Candidate) -> bool:
        """Whether it is asked for."""
        if self.name != series.names[self.spelling] and self.name != series.names["quoted"]:
            return False
        return all(one.matches(series.labels) for one in self.matchers)


COMPARISONS = (">=", "<=", "==", "!=", ">", "<")
"""Comparisons, the longer first."""


@dataclass(frozen=True, slots=True)
class Arithmetic:
    """A number that each value is computed with."""

    operator: str
    """One of `+ - * / % ^`."""
    number: float
    is_left: bool = False
    """Whether the number stands on the left."""


@dataclass(frozen=True, slots=True)
class Leaf:
    """A figure of each series of a selector, over the windows before a step."""

    selector: Selector
    operation: Operation
    quantile: float | None = None
    """Of `quantile`, 0 to 1."""
    range_ms: int = BASE_MS
    """How far back it reads."""
    per_second: bool = False
    kinds: frozenset[str] = ANY
    """Kinds of series that have such a figure."""
    arithmetic: tuple[Arithmetic, ...] = ()
    """What is computed of it, in this order."""

    @property
    def has_range(self) -> bool:
        """Whether it reads more than the window before a step."""
        return self.range_ms > BASE_MS

    @property
    def key(self) -> str:
        """Names the windows that it reads."""
        text = repr((self.selector, self.range_ms, sorted(self.kinds)))
        return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()

    def selects(self, series: Candidate) -> bool:
        """Whether the series has the figure, and is asked for."""
        return series.kind in self.kinds and self.selector.selects(series)


@dataclass(frozen=True, slots=True)
class Comparison:
    """A figure of each series compared with a number."""

    text: str
    """As it was written, blanks normalised."""
    leaf: Leaf
    operator: str
    """One of `COMPARISONS`, as if the number stood on the right."""
    threshold: float
    """The number."""

    @property
    def live(self) -> bool:
        """Whether a live window may decide: more points cannot undo a maximum or a count above a bound."""
        leaf = self.leaf
        rises = leaf.operation in ("max", "count") and not leaf.arithmetic
        return rises and self.operator in (">", ">=") and not leaf.has_range
