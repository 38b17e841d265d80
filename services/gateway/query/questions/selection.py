"""A selection: which series of a metric are asked for, and by which labels they are put together. Pure.

A label that a series does not bear counts as empty, as in PromQL. Regular expressions are RE2's, which match in linear
time; globs know `*` alone.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

from shared.errors import Rejected
from shared.model.labels import Labels
from shared.promql import patterns
from shared.promql.errors import BadPattern

Operator = Literal["=", "in", "~", "=~"]
"""`~` matches a glob, `=~` a regular expression of PromQL, each the whole value."""


@dataclass(frozen=True)
class Matcher:
    """One condition on one label."""

    label: str
    operator: Operator
    values: tuple[str, ...]
    """One value, or several of `in`."""
    negated: bool = False

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Whether a series with these labels is asked for."""
        value = labels.get(self.label, "")
        found = value in self.values if self._program is None else bool(self._program.fullmatch(value))
        return found is not self.negated

    @cached_property
    def _program(self) -> Any:
        return None if self.operator in {"=", "in"} else compiled(self.operator, self.values[0])


def compiled(operator: str, pattern: str) -> Any:
    """The program of a glob (`~`) or a regular expression (`=~`); raise `Rejected` for none, or too large a one."""
    try:
        return patterns.compiled(pattern, glob=operator == "~")
    except BadPattern as error:
        raise Rejected("invalid_where", f"where: {error}") from error


@dataclass(frozen=True)
class Selection:
    """Some series of one metric of one tenant, in groups."""

    tenant_id: int
    """Who asks."""
    metric: str
    kind: str | None = None
    """None: whichever kind there is."""
    unit: str | None = None
    """None: whichever unit there is."""
    where: tuple[Matcher, ...] = ()
    """All of them must match."""
    by: tuple[str, ...] | None = ()
    """Labels whose values make a group, ascending; none: one group of all; None: each series is a group."""

    @property
    def labels(self) -> frozenset[str]:
        """Labels that it takes to answer, where `by` is not None."""
        return frozenset(self.by or ()) | {one.label for one in self.where}

    def with_condition(self, matcher: Matcher) -> "Selection":
        """The same with one more condition."""
        return Selection(self.tenant_id, self.metric, self.kind, self.unit, (*self.where, matcher), self.by)

    def matches(self, labels: Labels) -> bool:
        """Whether a series with these labels is asked for."""
        if not self.where:
            return True
        named = dict(labels)
        return all(matcher.matches(named) for matcher in self.where)

    def group_of(self, labels: Labels) -> Labels:
        """The labels of the group that a series with these labels belongs to; one without a label leaves it out."""
        if self.by is None:
            return labels
        return tuple(pair for pair in labels if pair[0] in self.by)


def is_answered_by(selection: Selection, labels: Iterable[str]) -> bool:
    """Whether rows that are grouped by these labels can answer it."""
    return selection.by is not None and selection.labels <= frozenset(labels)


def shape_of(selection: Selection) -> tuple[object, ...]:
    """A selection as plain values; equal ones for equal selections."""
    where = sorted((one.label, one.operator, one.values, one.negated) for one in selection.where)
    return selection.tenant_id, selection.metric, selection.kind, selection.unit, where, selection.by
