"""The summary of a tenant's metrics: one line a metric, kind and unit, each the answer of a question. Milliseconds UTC.

A line is what `POST /v1/query` gives for the same range, live windows included. An average or a quantile of nothing is
None.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from services.gateway.query.questions.answering import Answering
from services.gateway.query.questions.calendar import Windows
from services.gateway.query.questions.ports import Catalogue
from services.gateway.query.questions.question import Refused
from services.gateway.query.resources.summaries.headline import Range, Wanted, ask, first
from shared.model.window import start_of

RANGE_MS = 15 * 60 * 1000
"""How far back a dashboard looks."""

FIGURES = {
    "count": "count",
    "average": "avg",
    "p50": "p50",
    "p95": "p95",
    "p99": "p99",
    "min": "min",
    "max": "max",
}
"""What a line has, and the figure of questions that it is."""

MAX_METRICS = 500
"""Most metrics of a dashboard."""

MAX_FIRING = 100
"""Most firing alerts of a dashboard."""

AT_ONCE = 8
"""Questions that are asked at a time."""


@dataclass(frozen=True, slots=True)
class Summary:
    """What a dashboard says of metrics."""

    lines: list[dict[str, Any]]
    """By name, unit and kind; those without a row in the range are left out."""
    truncated: bool
    """There are more metrics than were asked for."""
    complete_to_ms: int | None
    """Before this nothing is missing; None without any line."""


class Dashboard:
    """Asks the questions."""

    def __init__(self, answering: Answering, catalogue: Catalogue, most: int = MAX_METRICS) -> None:
        self._answering = answering
        self._catalogue = catalogue
        self._most = most

    async def summary(self, tenant_id: int, of: Range, now_ms: int) -> Summary:
        """A line for each of the first metrics by name. Raises as questions do."""
        metrics = await self._catalogue.metrics(tenant_id)
        named = sorted((one.name, each.unit, each.kind) for one in metrics for each in one.kinds)
        windows, turns = of.windows(now_ms), asyncio.Semaphore(AT_ONCE)

        async def line(name: str, unit: str, kind: str) -> tuple[dict[str, Any], int | None] | None:
            async with turns:
                return await self._line(
                    tenant_id, Wanted(name, tuple(FIGURES.values()), kind=kind, unit=unit), windows
                )

        asked = await asyncio.gather(*(line(*each) for each in named[: self._most]))
        found = [each for each in asked if each is not None]
        complete_to_ms = min((complete for _, complete in found if complete is not None), default=None)
        return Summary([shown for shown, _ in found], len(named) > self._most, complete_to_ms)

    async def _line(
        self, tenant_id: int, wanted: Wanted, windows: Windows
    ) -> tuple[dict[str, Any], int | None] | None:
        """A line, and before when nothing is missing in it; one that is refused has no figures, and the others have."""
        try:
            answer = await ask(self._answering, tenant_id, wanted, windows)
        except Refused as refused:
            return _shown(wanted, {}, refused.code), None
        figures = first(answer)
        if answer is None or figures is None or figures["samples"] == 0:
            return None
        return _shown(wanted, figures), int(answer["complete_until_ms"])


def _shown(wanted: Wanted, figures: Mapping[str, Any], error: str | None = None) -> dict[str, Any]:
    named = {name: figures.get(figure) for name, figure in FIGURES.items()}
    return {
        "metric": wanted.metric, "unit": wanted.unit, "kind": wanted.kind, "samples": figures.get("samples"),
    } | named | {"error": error}  # fmt: skip


def range_of(now_ms: int) -> Range:
    """The last quarter of an hour, in whole windows that have ended."""
    to_ms = start_of(now_ms)
    return Range(max(0, to_ms - RANGE_MS), to_ms)
