"""The order of steps of a query: read it, look its names up, read rows, evaluate.

Times are milliseconds UTC. Rows come from the source that all questions are answered from. What takes the processor
long runs in a thread.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from cachetools import LRUCache

from services.gateway.query.prometheus.errors import bad_data, execution
from services.gateway.query.prometheus.evaluation.evaluate import Evaluation, Rows
from services.gateway.query.prometheus.evaluation.order import ordered
from services.gateway.query.prometheus.evaluation.reading import Instants, Span, windows_of
from services.gateway.query.prometheus.evaluation.vectors import Scalar, Vector, compact
from services.gateway.query.prometheus.language import plan
from services.gateway.query.prometheus.language.compile import Compiler
from services.gateway.query.prometheus.language.names import Metric as NamedMetric
from services.gateway.query.prometheus.language.names import Names
from services.gateway.query.prometheus.language.reading import parsed, text_of
from services.gateway.query.questions.grouped import Grouped, Source
from services.gateway.query.questions.ports import MAX_AGE_S, Catalogue, Metric
from services.gateway.query.questions.selection import Selection
from shared.model.window import BASE_MS
from shared.postgres.instants import at
from shared.promql.words import Text

MAX_POINTS = 11_000
"""Most instants of a query, as in Prometheus."""

RETRY_S = 1.0
"""How old names may be where one is not among them."""

MAX_TENANTS = 1_000
"""Tenants whose names are remembered."""


@dataclass(frozen=True, slots=True)
class Question:
    """A query with its instants."""

    tenant_id: int
    query: str
    instants: Instants
    is_range: bool
    now_ms: int


@dataclass(frozen=True, slots=True)
class Answer:
    """What a query gives."""

    value: Vector | Scalar | str
    infos: list[str]
    """What to know of it."""
    order: Sequence[int] = ()
    """Of a vector at one instant: its rows in the order of the answer."""


class Queries:
    """Answers PromQL."""

    def __init__(self, source: Source, catalogue: Catalogue) -> None:
        self._source = source
        self._catalogue = catalogue
        self._names: LRUCache[int, tuple[Sequence[Metric], Names]] = LRUCache(MAX_TENANTS)

    async def answer(self, question: Question) -> Answer:
        """The answer; raise `QueryError`, `Rejected` where it costs too much, `Unavailable`."""
        check(question)
        node, unknown = await self._plan(text_of(question.query), question.tenant_id)
        if isinstance(node, plan.String):
            if question.is_range:
                raise bad_data(
                    'invalid expression type "string" for range query, must be Scalar or instant Vector'
                )
            return Answer(node.value, [])
        rows, infos = await self._rows(node, question)
        infos += [f"PromQL info: no metric is called {name}" for name in dict.fromkeys(unknown)]
        value = await asyncio.to_thread(_value, node, question.instants, rows)
        return Answer(value, infos, ordered(node, value) if isinstance(value, Vector) else ())

    async def names(self, tenant_id: int, newer_than_s: float = MAX_AGE_S) -> Names:
        """The names of a tenant's metrics, at most so old."""
        metrics = await self._catalogue.metrics(tenant_id, newer_than_s)
        found = self._names.get(tenant_id)
        if found is None or found[0] is not metrics:
            found = (
                metrics,
                Names(NamedMetric(one.name, each.kind, each.unit) for one in metrics for each in one.kinds),
            )
            self._names[tenant_id] = found
        return found[1]

    async def _plan(self, text: Text, tenant_id: int) -> tuple[plan.Node, list[str]]:
        """The plan of a query, and the names in it that no metric has."""
        tree = parsed(text.parsable)
        names = await self.names(tenant_id)
        compiler = Compiler(text, tenant_id, names)
        node = compiler.node(tree)
        if compiler.unknown and (newer := await self.names(tenant_id, RETRY_S)) is not names:
            compiler = Compiler(text, tenant_id, newer)
            node = compiler.node(tree)
        return node, compiler.unknown

    async def _rows(self, node: plan.Node, question: Question) -> tuple[Mapping[plan.Leaf, Rows], list[str]]:
        windows = {
            leaf: windows_of(leaf, question.instants, question.now_ms)
            for leaf in dict.fromkeys(plan.leaves(node))
        }
        read: dict[tuple[Selection, Span], Grouped] = {}
        for leaf, found in windows.items():
            for span in found.spans:
                if (leaf.selection, span) not in read:
                    read[leaf.selection, span] = await self._source.rows(leaf.selection, *span, live=True)
        rows = {
            leaf: Rows(found, [read[leaf.selection, span] for span in found.spans])
            for leaf, found in windows.items()
        }
        return rows, await self._infos(list(rows.values()))

    async def _infos(self, rows: Sequence[Rows]) -> list[str]:
        infos = []
        complete_ms = await self._source.complete_until_ms() if rows else 0
        if any(each.windows.end_ms[-1] > complete_ms for each in rows):
            since = at(complete_ms).isoformat().replace("+00:00", "Z")
            infos.append(
                f"PromQL info: windows after {since} are not complete: their values may still change"
            )
        if any(each.windows.rounded for each in rows):
            infos.append(
                "PromQL info: windows of 10 s are kept for 6 hours, those of a minute for 9 days: "
                "times and ranges were rounded to the windows that there are"
            )
        return infos


def _value(node: plan.Node, instants: Instants, rows: Mapping[plan.Leaf, Rows]) -> Vector | Scalar:
    with np.errstate(all="ignore"):  # NaN and infinity are values like others
        value = Evaluation(instants, rows).value(node)
    return compact(value) if isinstance(value, Vector) else value


def check(question: Question) -> None:
    """Raise `QueryError` unless the instants can be asked for."""
    instants = question.instants
    if not question.is_range:
        return
    if instants.size - 1 > MAX_POINTS:
        raise bad_data(
            "exceeded maximum resolution of 11,000 points per timeseries. "
            "Try decreasing the query resolution (?step=XX)"
        )
    if instants.step_ms < BASE_MS:
        raise execution("step: windows are 10 s long, and a step is at least as long")
