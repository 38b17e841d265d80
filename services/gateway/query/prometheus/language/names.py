"""Names of Prometheus for the metrics of a tenant: `api.response_seconds` is also `api_response_seconds`.

A metric has a name for each figure that Prometheus would keep as a series of its own: `_count`, `_sum`, `_bucket`,
`_min` and `_max`. Invariant: a name means one figure of one metric, or is refused with all that it may mean.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from shared.promql.names import underscored

FIGURES = ("", "_count", "_sum", "_bucket", "_min", "_max")
"""What names end with; empty: the metric itself."""

FIGURES_OF = {
    "gauge": FIGURES,
    "delta": FIGURES,
    "cumulative": ("",),
    "histogram": ("", "_count", "_sum", "_bucket"),
}
"""The figures of each kind: a running total has itself alone."""


class Metric(NamedTuple):
    """What a tenant's series are of."""

    name: str
    kind: str
    unit: str


class Figure(NamedTuple):
    """One figure of a metric."""

    metric: str
    suffix: str
    """One of `FIGURES`."""


class Ambiguous(Exception):
    """A name may mean several figures."""

    def __init__(self, figures: Iterable[Figure]) -> None:
        super().__init__()
        self.figures = sorted(figures)


class Names:
    """The metrics of a tenant, by name."""

    def __init__(self, metrics: Iterable[Metric]) -> None:
        self.kinds: dict[str, list[Metric]] = {}
        """The metrics of each name: of one kind and unit, or of several."""
        self._underscored: defaultdict[str, list[str]] = defaultdict(list)
        for metric in sorted(metrics):
            if metric.name not in self.kinds:
                self._underscored[underscored(metric.name)].append(metric.name)
            self.kinds.setdefault(metric.name, []).append(metric)

    def figure(self, name: str, *, quoted: bool = False) -> Figure | None:
        """What a name means, None: nothing; raise `Ambiguous`. A quoted one is the name itself where there is such."""
        found = [
            figure
            for suffix in FIGURES
            if name.endswith(suffix)
            for figure in self._with(name.removesuffix(suffix), suffix)
        ]
        if quoted:
            found = [each for each in found if each.metric + each.suffix == name][:1] or found
        if len(found) > 1:
            raise Ambiguous(found)
        return found[0] if found else None

    def shown(self, figure: Figure) -> str:
        """The name that a figure is listed under: with underscores, unless that may mean another too."""
        name = underscored(figure.metric) + figure.suffix
        try:
            return name if self.figure(name) == figure else figure.metric + figure.suffix
        except Ambiguous:
            return figure.metric + figure.suffix

    def matching(self, matches: Callable[[str], bool]) -> Iterator[tuple[str, Figure]]:
        """All figures whose listed names match, with these names."""
        for name in self.kinds:
            for suffix in self._suffixes(name):
                figure = Figure(name, suffix)
                shown = self.shown(figure)
                if matches(shown):
                    yield shown, figure

    def _with(self, name: str, suffix: str) -> Iterator[Figure]:
        exact = [name] if name in self.kinds else []
        for metric in dict.fromkeys([*exact, *self._underscored.get(name, ())]):
            if suffix in self._suffixes(metric):
                yield Figure(metric, suffix)

    def _suffixes(self, name: str) -> list[str]:
        kinds = self.kinds[name]
        return [suffix for suffix in FIGURES if any(suffix in FIGURES_OF[metric.kind] for metric in kinds)]
