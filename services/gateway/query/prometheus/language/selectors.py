"""Selectors: from matchers of PromQL to selections of series.

Two matchers have a meaning of their own, `__kind__` and `__unit__`: they choose where a metric has series of several
kinds or units. A regular expression is RE2's and matches the whole value.
"""

from collections.abc import Sequence
from typing import NamedTuple

from promql_parser import VectorSelector

from services.gateway.query.prometheus.errors import QueryError, execution, unparsed
from services.gateway.query.prometheus.language.names import FIGURES_OF, Ambiguous, Figure, Metric, Names
from services.gateway.query.questions.selection import Matcher, compiled
from shared.errors import Rejected
from shared.promql.errors import Place

MAX_NAMES = 20
"""Most figures that one selector may read."""

NAME, KIND, UNIT = "__name__", "__kind__", "__unit__"


class Asked(NamedTuple):
    """A figure that a selector asks for."""

    name: str
    """What its series are called in the answer."""
    metric: Metric
    suffix: str


class Conditions(NamedTuple):
    """The matchers of a selector, by what they are about."""

    bare: str | None
    """The name before the braces."""
    names: tuple[Matcher, ...]
    """Those on the name, the one before the braces too."""
    kinds: tuple[Matcher, ...]
    """Those on kinds and on units."""
    labels: tuple[Matcher, ...]


def conditions_of(selector: VectorSelector, patterns: Sequence[str], place: Place) -> Conditions:
    """What a selector asks for; raise `QueryError` for what is none, and where nothing at all is asked for."""
    names: list[Matcher] = [Matcher(NAME, "=", (selector.name,))] if selector.name else []
    kinds: list[Matcher] = []
    labels: list[Matcher] = []
    for one in selector.matchers.matchers:
        matcher = _matcher(one.name, str(one.op).rpartition(".")[2], one.value, patterns, place)
        {NAME: names, KIND: kinds, UNIT: kinds}.get(one.name, labels).append(matcher)
    every = (*names, *kinds, *labels)
    if all(one.matches({}) for one in every):
        raise unparsed("vector selector must contain at least one non-empty matcher", place)
    return Conditions(selector.name, tuple(names), tuple(kinds), tuple(labels))


def _matcher(name: str, operator: str, value: str, patterns: Sequence[str], place: Place) -> Matcher:
    negated = operator in {"NotEqual", "NotRe"}
    if operator in {"Equal", "NotEqual"}:
        return Matcher(name, "=", (value,), negated)
    try:
        compiled("=~", patterns[int(value)])
    except Rejected as error:
        raise unparsed(f"{name}: {error.message.removeprefix('where: ')}", place) from error
    return Matcher(name, "=~", (patterns[int(value)],), negated)


def figures_of(conditions: Conditions, names: Names, place: Place) -> list[tuple[str, Figure]]:
    """The figures of a selector by their names; none where no metric has its name. Raise `QueryError` for an
    ambiguous name.
    """
    exact = {one.values[0] for one in conditions.names if one.operator == "=" and not one.negated}
    if not exact:
        return list(names.matching(lambda name: _named(conditions, name)))
    found = []
    for name in exact:
        try:
            figure = names.figure(name, quoted=name != conditions.bare)
        except Ambiguous as error:
            meanings = " or ".join(f'{{"{each.metric}{each.suffix}"}}' for each in error.figures)
            raise execution(f"{name} may mean several metrics: write {meanings}", place) from error
        if figure is not None and _named(conditions, name):
            found.append((name, figure))
    return found


def asked_of(conditions: Conditions, names: Names, place: Place) -> list[Asked]:
    """The same with the one kind and unit of each; raise `QueryError` where there are several, or too many figures."""
    figures = figures_of(conditions, names, place)
    if len(figures) > MAX_NAMES:
        raise execution(
            f"the selector matches {len(figures)} metrics, more than {MAX_NAMES}: name one", place
        )
    asked = []
    for name, figure in figures:
        metrics = [metric for metric in names.kinds[figure.metric] if suits(metric, figure, conditions)]
        if len(metrics) > 1:
            raise _several(metrics, place)
        asked += [Asked(name, metric, figure.suffix) for metric in metrics]
    return asked


def suits(metric: Metric, figure: Figure, conditions: Conditions) -> bool:
    """Whether series of this kind and unit have the figure, and are asked for."""
    named = {KIND: metric.kind, UNIT: metric.unit}
    return figure.suffix in FIGURES_OF[metric.kind] and all(one.matches(named) for one in conditions.kinds)


def _named(conditions: Conditions, name: str) -> bool:
    return all(one.matches({NAME: name}) for one in conditions.names)


def _several(found: Sequence[Metric], place: Place) -> QueryError:
    listed = " and ".join(f'{{__kind__="{metric.kind}",__unit__="{metric.unit}"}}' for metric in found)
    return execution(f"{found[0].name} has series of several kinds or units: add one of {listed}", place)
