"""What there is: names of metrics, labels and their values, series and metadata.

Series that have had no points for long are listed too, as Prometheus allows: nothing is read of a range. Regular
expressions and inequalities are applied to series that are read for it, at most `MAX_SERIES` of them.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from promql_parser import VectorSelector

from services.gateway.query.prometheus.envelope import TRUNCATED, Reply
from services.gateway.query.prometheus.errors import bad_data, execution
from services.gateway.query.prometheus.language.names import Figure, Metric, Names
from services.gateway.query.prometheus.language.reading import parsed, text_of
from services.gateway.query.prometheus.language.selectors import (
    NAME,
    Conditions,
    conditions_of,
    figures_of,
    suits,
)
from services.gateway.query.prometheus.parameters import Parameters
from services.gateway.query.prometheus.service import Queries
from services.gateway.query.questions.ports import Catalogue, Sought
from shared.model.series import Series
from shared.promql.errors import Place

MAX_SERIES = 20_000
"""Most series that are looked through for one question."""

TYPES = {"gauge": "gauge", "delta": "counter", "cumulative": "counter", "histogram": "histogram"}
"""What clients of Prometheus call the kinds."""

_START = Place(1, 1)
_ESCAPED = re.compile(r"_([0-9a-fA-F]{1,6})_|__")


class Selected(NamedTuple):
    """What one `match[]` asks for."""

    conditions: Conditions
    figures: list[tuple[str, Figure]]


class Discovery:
    """Answers what there is."""

    def __init__(self, queries: Queries, catalogue: Catalogue) -> None:
        self._queries = queries
        self._catalogue = catalogue

    async def series(self, tenant_id: int, parameters: Parameters) -> Reply:
        """The labels of series."""
        if not parameters.all("match[]"):
            raise bad_data("no match[] parameter provided")
        found = {
            tuple(sorted({**dict(series.labels), NAME: name}.items()))
            for selected in await self._selected(tenant_id, parameters)
            for name, series in await self._figures(tenant_id, selected)
        }
        return _limited([dict(labels) for labels in sorted(found)], parameters.limit())

    async def labels(self, tenant_id: int, parameters: Parameters) -> Reply:
        """The names of labels."""
        found = {NAME}
        for sought, selected in await self._sought(tenant_id, parameters):
            if selected is None or _is_exact(selected.conditions):
                found.update(await self._catalogue.label_names(sought))
            else:
                series = await self._series(sought, selected.conditions)
                found.update(name for each in series for name, _ in each.labels)
        return _limited(sorted(found), parameters.limit())

    async def values(self, tenant_id: int, name: str, parameters: Parameters) -> Reply:
        """The values of a label, or the names of metrics."""
        label, limit = unescaped(name), parameters.limit()
        if not label or "\x00" in label:
            raise bad_data(f'invalid label name: "{name}"')
        if label == NAME:
            return _limited(sorted(await self._names_of(tenant_id, parameters)), limit)
        found: set[str] = set()
        for sought, selected in await self._sought(tenant_id, parameters):
            if selected is None or _is_exact(selected.conditions):
                most = limit + 1 if limit else MAX_SERIES
                found.update(await self._catalogue.values(sought, label, "", most))
            else:
                series = await self._series(sought, selected.conditions)
                found.update(dict(each.labels).get(label, "") for each in series)
        return _limited(sorted(found - {""}), limit)

    async def metadata(self, tenant_id: int, parameters: Parameters) -> Reply:
        """Kind and unit by name."""
        names = await self._queries.names(tenant_id)
        wanted, limit, most = (
            parameters.text("metric"),
            parameters.limit(),
            parameters.limit("limit_per_metric"),
        )
        listed: defaultdict[str, list[dict[str, str]]] = defaultdict(list)
        for name, figure in names.matching(lambda name: wanted in {"", name}):
            entries = [_described(metric, figure.suffix) for metric in names.kinds[figure.metric]]
            listed[name] += entries[: most or None]
        return Reply(dict(list(listed.items())[: limit or None]))

    async def _names_of(self, tenant_id: int, parameters: Parameters) -> set[str]:
        names = await self._queries.names(tenant_id)
        if not parameters.all("match[]"):
            return {name for name, _ in names.matching(lambda _: True)}
        selected = await self._selected(tenant_id, parameters)
        found = {name for each in selected if not each.conditions.labels for name, _ in each.figures}
        for each in selected:
            if each.conditions.labels:
                found.update(name for name, _ in await self._figures(tenant_id, each))
        return found

    async def _selected(self, tenant_id: int, parameters: Parameters) -> list[Selected]:
        """What each `match[]` asks for; raise `QueryError` for one that is no selector."""
        names = await self._queries.names(tenant_id)
        return [_selected(text, names) for text in parameters.all("match[]")]

    async def _sought(
        self, tenant_id: int, parameters: Parameters
    ) -> Sequence[tuple[Sought, Selected | None]]:
        if not parameters.all("match[]"):
            return [(Sought(tenant_id, None, ()), None)]
        selected = await self._selected(tenant_id, parameters)
        return [(sought, each) for each in selected if (sought := _sought_of(tenant_id, each)) is not None]

    async def _figures(self, tenant_id: int, selected: Selected) -> Iterable[tuple[str, Series]]:
        """Each series under each name that is asked for."""
        sought = _sought_of(tenant_id, selected)
        if sought is None:
            return []
        names: defaultdict[str, list[tuple[str, Figure]]] = defaultdict(list)
        for name, figure in selected.figures:
            names[figure.metric].append((name, figure))
        series = await self._series(sought, selected.conditions)
        return [
            (name, each)
            for each in series
            for name, figure in names[each.metric]
            if suits(Metric(each.metric, each.kind, each.unit), figure, selected.conditions)
        ]

    async def _series(self, sought: Sought, conditions: Conditions) -> list[Series]:
        found = await self._catalogue.series(sought, MAX_SERIES + 1)
        if len(found) > MAX_SERIES:
            raise execution(
                f"match[] would look through more than {MAX_SERIES:,} series: name a metric and a label with ="
            )
        return [each for each in found if _matches(each, conditions)]


def _selected(text: str, names: Names) -> Selected:
    conditions = conditions_of_text(text)
    return Selected(conditions, figures_of(conditions, names, _START))


def conditions_of_text(text: str) -> Conditions:
    """What one `match[]` says; raise `QueryError` where it is no selector."""
    read = text_of(text)
    tree = parsed(read.parsable)
    if not isinstance(tree, VectorSelector) or tree.offset is not None or tree.at is not None:
        raise bad_data('invalid parameter "match[]": a selector is needed, and nothing beside it')
    if tree.matchers.or_matchers:
        raise execution("or between matchers is beyond the part of PromQL that is answered here")
    return conditions_of(tree, read.patterns, _START)


def _sought_of(tenant_id: int, selected: Selected) -> Sought | None:
    """Which series to look for, None: there can be none."""
    bearing = {
        one.label: one.values[0]
        for one in selected.conditions.labels
        if _is_equality(one.operator, one.negated)
    }
    metrics = tuple(dict.fromkeys(figure.metric for _, figure in selected.figures))
    if not metrics or any("\x00" in text for pair in bearing.items() for text in pair):
        return None
    return Sought(tenant_id, metrics, tuple((name, value) for name, value in bearing.items() if value))


def _is_equality(operator: str, negated: bool) -> bool:  # noqa: FBT001 - a matcher's own two fields
    return operator == "=" and not negated


def _is_exact(conditions: Conditions) -> bool:
    """Whether equalities alone say which series are asked for."""
    return not conditions.kinds and all(
        _is_equality(one.operator, one.negated) and one.values[0] for one in conditions.labels
    )


def _matches(series: Series, conditions: Conditions) -> bool:
    named = dict(series.labels)
    return all(one.matches(named) for one in conditions.labels)


def _described(metric: Metric, suffix: str) -> dict[str, str]:
    kinds = {"": TYPES[metric.kind], "_bucket": "histogram", "_min": "gauge", "_max": "gauge"}
    return {
        "type": kinds.get(suffix, "counter"),
        "help": "",
        "unit": "" if suffix == "_count" else metric.unit,
    }


def _limited(found: list[str] | list[dict[str, str]], limit: int) -> Reply:
    return Reply(found[:limit], [TRUNCATED]) if 0 < limit < len(found) else Reply(found)


def unescaped(name: str) -> str:
    """The name of a label as it stands in an address: after `U__` signs are written as `_HEX_`."""
    if not name.startswith("U__"):
        return name
    return _ESCAPED.sub(_sign, name.removeprefix("U__"))


def _sign(found: re.Match[str]) -> str:
    if found[0] == "__":
        return "_"
    code = int(found[1], 16)
    return chr(code) if code <= 0x10FFFF and not 0xD800 <= code < 0xE000 else "\ufffd"
