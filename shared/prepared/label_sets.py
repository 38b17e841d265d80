"""Label sets: by which labels the series of a metric are put together ahead of all questions. Pure.

A label set is the names of labels, ascending; the empty one puts all series of a metric together. A pattern says which
metrics have it; `*` stands for any signs. A metric has the sets of all patterns that it matches.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache, lru_cache
from types import MappingProxyType
from typing import TypeAlias

LabelSet: TypeAlias = tuple[str, ...]
"""Names of labels, ascending."""

SEPARATOR = ","
"""Between the names of a label set, where it is written as one text."""

MAX_SETS = 8
"""Label sets of a metric."""

MAX_LABELS = 4
"""Labels of a set."""

MAX_PATTERNS = 64
"""Patterns of an installation."""

_REMEMBERED = 10_000


def text_of(label_set: LabelSet) -> str:
    """A label set as one text."""
    return SEPARATOR.join(label_set)


def set_of(text: str) -> LabelSet:
    """The label set of a text."""
    return tuple(text.split(SEPARATOR)) if text else ()


@lru_cache(_REMEMBERED)
def matches(pattern: str, metric: str) -> bool:
    """Whether a metric has the sets of a pattern."""
    return re.fullmatch(".*".join(map(re.escape, pattern.split("*"))), metric, re.DOTALL) is not None


@cache
def overlap(one: str, other: str) -> bool:
    """Whether some metric could match both patterns."""
    if not one or not other:
        return not (one + other).strip("*")
    if one[0] == "*":
        return overlap(one[1:], other) or overlap(one, other[1:])
    if other[0] == "*":
        return overlap(other, one)
    return one[0] == other[0] and overlap(one[1:], other[1:])


@dataclass(frozen=True, slots=True)
class LabelSets:
    """Which metrics have which label sets."""

    by_pattern: Mapping[str, tuple[LabelSet, ...]] = field(default_factory=lambda: MappingProxyType({}))

    def of(self, metric: str) -> tuple[LabelSet, ...]:
        """The label sets of a metric, ascending, each once."""
        return tuple(sorted({one for pattern, one in self.pairs() if matches(pattern, metric)}))

    def pairs(self) -> Iterator[tuple[str, LabelSet]]:
        """Each pattern with each of its sets."""
        return ((pattern, one) for pattern, sets in self.by_pattern.items() for one in sets)


NO_SETS = LabelSets()
"""No metric has any."""
