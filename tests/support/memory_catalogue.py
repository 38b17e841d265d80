"""The catalogue of some series in memory, as the port of questions has it: metrics, labels, values, series."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from services.gateway.query.questions.ports import MAX_AGE_S, Metric, MetricKind, Sought
from shared.model.series import Series


class MemoryCatalogue:
    """What is known of the series that a subclass owns."""

    def owned(self) -> Iterable[Series]:
        """All series, each at least once."""
        raise NotImplementedError

    async def metrics(self, tenant_id: int, newer_than_s: float = MAX_AGE_S) -> Sequence[Metric]:
        """All metrics of a tenant by name."""
        kinds: dict[str, Counter[tuple[str, str]]] = {}
        for one in await self.series(Sought(tenant_id, None, ()), 1 << 40):
            kinds.setdefault(one.metric, Counter())[one.kind, one.unit] += 1
        return [
            Metric(name, tuple(MetricKind(*kind, n) for kind, n in found.most_common()))
            for name, found in sorted(kinds.items())
        ]

    async def labels(self, tenant_id: int, metric: str) -> Mapping[str, int]:
        """The labels of a metric, and how many values each has."""
        series = await self.series(Sought(tenant_id, (metric,), ()), 1 << 40)
        return dict(
            sorted(Counter(name for name, _ in {pair for one in series for pair in one.labels}).items())
        )

    async def label_names(self, sought: Sought) -> Sequence[str]:
        """The names of labels of some series."""
        return sorted({name for one in await self.series(sought, 1 << 40) for name, _ in one.labels})

    async def values(self, sought: Sought, label: str, prefix: str, limit: int) -> Sequence[str]:
        """Values of a label that begin with a prefix."""
        found = {dict(one.labels).get(label) for one in await self.series(sought, 1 << 40)}
        return sorted(value for value in found if value is not None and value.startswith(prefix))[:limit]

    async def series(self, sought: Sought, limit: int) -> Sequence[Series]:
        """Series that bear some labels."""
        found = [
            one
            for one in dict.fromkeys(self.owned())
            if one.tenant_id == sought.tenant_id
            and (sought.metrics is None or one.metric in sought.metrics)
            and set(sought.bearing) <= set(one.labels)
        ]
        return found[:limit]
