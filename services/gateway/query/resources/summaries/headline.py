"""The figures that come first: requests, errors, web vitals, memory, of a range as a whole. Milliseconds UTC.

Each is an answer of a question with one window, so it is the number that every other way to ask gives. What was never
sent is None. Limits of web vitals are the official ones: at or below the first is good, above the second poor.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from services.gateway.query.questions.answering import Answering
from services.gateway.query.questions.calendar import KEPT_MS, Windows
from services.gateway.query.questions.figures import figure
from services.gateway.query.questions.question import Question, Refused, condition
from services.gateway.query.questions.selection import Selection
from shared.model.window import TIERS_MS

LIMITS: Mapping[str, tuple[float, float]] = {
    "lcp": (2_500, 4_000), "inp": (200, 500), "cls": (0.1, 0.25), "fcp": (1_800, 3_000), "ttfb": (800, 1_800),
}  # fmt: skip
"""Web vitals with the largest good value and the largest that is not poor."""

RESPONSES = "api.response_seconds"

FAILED = ("status~5*",)
"""Answers that count as errors."""

ENOUGH = {"p75": 13, "p95": 72}
"""Samples from which on a quantile has an upper end in 95 %; with fewer it is not rated."""


@dataclass(frozen=True, slots=True)
class Range:
    """What figures are of."""

    from_ms: int
    to_ms: int

    def windows(self, now_ms: int) -> Windows:
        """The range as one window, of the coarsest rows that fit and are kept."""
        tier_ms = next(
            tier
            for tier in reversed(TIERS_MS)
            if self.from_ms % tier == 0 == self.to_ms % tier or tier == TIERS_MS[0]
        )
        if now_ms - self.from_ms > KEPT_MS[tier_ms]:
            tier_ms = TIERS_MS[-1]
        edges = np.array([self.from_ms]), np.array([self.to_ms])
        return Windows(*edges, tier_ms, "range", "UTC")


@dataclass(frozen=True, slots=True)
class Wanted:
    """A question in short."""

    metric: str
    figures: Sequence[str]
    where: tuple[str, ...] = ()
    by: tuple[str, ...] = ()
    top: int = 1
    top_of: str = "count"
    kind: str | None = None
    """None: the only one that there is."""
    unit: str | None = None


async def ask(
    answering: Answering, tenant_id: int, wanted: Wanted, windows: Windows, compared: Windows | None = None
) -> dict[str, Any] | None:
    """The answer; None for a metric that was never sent, or a label that it does not bear."""
    where = tuple(condition(text) for text in wanted.where)
    one = Question(
        "",
        Selection(tenant_id, wanted.metric, wanted.kind, wanted.unit, where, wanted.by),
        tuple(figure.parsed(name) for name in wanted.figures),
        windows,
        wanted.top,
        figure.parsed(wanted.top_of),
        "compare" if compared else "",
        compared,
        live=True,
        min_samples=0,
    )
    try:
        return await answering.answer(one)
    except Refused as refused:
        if refused.code in {"unknown_metric", "unknown_label"}:
            return None
        raise


def first(answer: Mapping[str, Any] | None, window: int = 0) -> dict[str, Any] | None:
    """The figures of the first group in a window, with their samples, NaN as None; None where there is no answer."""
    if answer is None or not answer["series"]:
        return None
    return of_window(answer["series"][0], window)


def of_window(series: Mapping[str, Any], window: int = 0) -> dict[str, Any]:
    """The figures of a group in a window, with their samples, NaN as None."""
    values = {name: _plain(column[window]) for name, column in series["values"].items()}
    return {"samples": series["samples"][window]} | values


def _plain(value: Any) -> Any:
    return None if isinstance(value, float) and np.isnan(value) else value


async def headline(answering: Answering, tenant_id: int, windows: Windows) -> dict[str, Any]:
    """Requests, errors, web vitals, events and memory of one window."""

    async def asked(metric: str, *figures: str, where: tuple[str, ...] = ()) -> dict[str, Any] | None:
        return first(await ask(answering, tenant_id, Wanted(metric, figures, where), windows))

    vitals = {name: asked(f"web_vital.{name}", "p75") for name in LIMITS}
    requests, failed, errors, events, heap, *rated = await asyncio.gather(
        asked(RESPONSES, "count", "rate", "p50", "p95", "p99"),
        asked(RESPONSES, "count", where=FAILED),
        asked("errors.count", "count"),
        asked("events.count", "count"),
        asked("memory.heap_ratio", "p95", "max"),
        *vitals.values(),
    )
    return {
        "requests": _requests(requests, failed),
        "errors": errors,
        "events": events,
        "heap": heap,
        "vitals": {name: rate(name, found) for name, found in zip(vitals, rated, strict=True) if found},
    }


def _requests(found: dict[str, Any] | None, failed: dict[str, Any] | None) -> dict[str, Any] | None:
    if found is None:
        return None
    errors = (failed or {}).get("count") or 0.0
    share = errors / found["count"] if found["count"] else None
    return found | {"errors": errors, "error_rate": share}


def rate(name: str, found: dict[str, Any]) -> dict[str, Any]:
    """A web vital with its rating: `good`, `needs_improvement`, `poor`, or `unrated` with too few samples."""
    good, poor = LIMITS[name]
    value, samples = found["p75"], found["samples"] or 0
    if value is None or samples < ENOUGH["p75"]:
        rating = "unrated"
    else:
        rating = "good" if value <= good else "needs_improvement" if value <= poor else "poor"
    return found | {"rating": rating, "limits": [good, poor]}
