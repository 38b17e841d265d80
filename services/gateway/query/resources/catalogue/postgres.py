"""Which metrics, labels, values and series a tenant has, from the table of series: for questions in JSON and in PromQL.

Metrics and labels are remembered for 10 seconds, and asked for anew before that where they are in use. Each question
takes one statement, and all values are parameters. An absent server is `Unavailable`.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from itertools import groupby

import orjson

from services.gateway.query.questions.ports import MAX_AGE_S, Metric, MetricKind, Sought
from services.gateway.query.resources.catalogue.remembered import Remembered
from shared.model.series import Series
from shared.postgres.connections import Pool, connection
from shared.runtime.clock import monotonic_s

METRICS = """
SELECT metric, kind, unit, count(*) FROM series WHERE tenant_id = $1 GROUP BY metric, kind, unit
ORDER BY metric COLLATE "C", count(*) DESC, kind, unit
"""
"""The metrics of a tenant."""

LABELS = """
SELECT key, count(*) FROM (
    SELECT DISTINCT label.key, label.value FROM series, jsonb_each_text(labels) AS label
    WHERE tenant_id = $1 AND metric = $2) AS pairs
GROUP BY key ORDER BY key COLLATE "C"
"""
"""The labels of a metric, with how many values each has."""

_SOUGHT = "WHERE tenant_id = $1 AND ($2::text[] IS NULL OR metric = ANY($2)) AND labels @> $3::jsonb"

SERIES = f"SELECT metric, kind, unit, labels FROM series {_SOUGHT} LIMIT $4"  # noqa: S608 - a constant
"""Series of some metrics that bear some labels."""

LABEL_NAMES = f"""
SELECT DISTINCT name COLLATE "C" AS name FROM series, jsonb_object_keys(labels) AS name {_SOUGHT} ORDER BY 1
"""  # noqa: S608 - a constant
"""The names of their labels."""

VALUES = f"""
SELECT DISTINCT labels ->> $4 COLLATE "C" AS value FROM series {_SOUGHT} AND starts_with(labels ->> $4, $5)
ORDER BY 1 LIMIT $6
"""  # noqa: S608 - a constant
"""The values of one of their labels."""


class PostgresCatalogue:
    """What `series` holds."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._metrics: Remembered[int, Sequence[Metric]] = Remembered(monotonic_s)
        self._labels: Remembered[tuple[int, str], Mapping[str, int]] = Remembered(monotonic_s)

    async def metrics(self, tenant_id: int, newer_than_s: float = MAX_AGE_S) -> Sequence[Metric]:
        """All metrics of a tenant by name; the very same answer for as long as it is new enough."""
        return await self._metrics.get(tenant_id, partial(self._ask_metrics, tenant_id), newer_than_s)

    async def _ask_metrics(self, tenant_id: int) -> Sequence[Metric]:
        async with connection(self._pool) as conn:
            rows = await conn.fetch(METRICS, tenant_id)
        return [
            Metric(name, tuple(MetricKind(*row[1:]) for row in of_name))
            for name, of_name in groupby(map(tuple, rows), lambda row: row[0])
        ]

    async def labels(self, tenant_id: int, metric: str) -> Mapping[str, int]:
        """The labels of a metric, and how many values each has; empty for an unknown metric."""
        return await self._labels.get((tenant_id, metric), partial(self._ask_labels, tenant_id, metric))

    async def _ask_labels(self, tenant_id: int, metric: str) -> Mapping[str, int]:
        async with connection(self._pool) as conn:
            return dict(map(tuple, await conn.fetch(LABELS, tenant_id, metric)))

    async def label_names(self, sought: Sought) -> Sequence[str]:
        """The names of labels of some series, ascending."""
        async with connection(self._pool) as conn:
            return [row[0] for row in await conn.fetch(LABEL_NAMES, *_arguments(sought))]

    async def values(self, sought: Sought, label: str, prefix: str, limit: int) -> Sequence[str]:
        """Up to `limit` values of a label of some series that begin with a prefix, ascending."""
        async with connection(self._pool) as conn:
            return [row[0] for row in await conn.fetch(VALUES, *_arguments(sought), label, prefix, limit)]

    async def series(self, sought: Sought, limit: int) -> Sequence[Series]:
        """Up to `limit` series."""
        async with connection(self._pool) as conn:
            rows = await conn.fetch(SERIES, *_arguments(sought), limit)
        return [
            Series(sought.tenant_id, metric, kind, unit, tuple(sorted(orjson.loads(labels).items())))
            for metric, kind, unit, labels in map(tuple, rows)
        ]


def _arguments(sought: Sought) -> tuple[int, list[str] | None, str]:
    metrics = None if sought.metrics is None else list(sought.metrics)
    return sought.tenant_id, metrics, orjson.dumps(dict(sought.bearing)).decode()
