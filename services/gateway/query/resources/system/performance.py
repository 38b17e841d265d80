"""How long answers took, by route: counts and sums since the start, quantiles of the latest. Milliseconds.

A route is named as its template, so that there are as many as there are routes. One thread writes and reads.
"""

from collections import deque
from dataclasses import dataclass, field
from typing import Any

import numpy as np

LATEST = 1_000
"""Requests of each route that quantiles are of."""

QUANTILES = {"p50_ms": 0.5, "p95_ms": 0.95, "p99_ms": 0.99}


@dataclass(slots=True)
class _Route:
    requests: int = 0
    total_ms: float = 0.0
    errors: int = 0
    latest: deque[float] = field(default_factory=lambda: deque(maxlen=LATEST))


class Timings:
    """What requests took."""

    def __init__(self) -> None:
        self._routes: dict[str, _Route] = {}

    def add(self, route: str, status: int, took_ms: float) -> None:
        """One request has been answered."""
        of = self._routes.setdefault(route, _Route())
        of.requests += 1
        of.total_ms += took_ms
        of.errors += status >= 500
        of.latest.append(took_ms)

    def shown(self) -> dict[str, Any]:
        """All routes together, and each by itself."""
        routes = {name: _shown(of) for name, of in sorted(self._routes.items())}
        whole = _Route(latest=deque())
        for of in self._routes.values():
            whole.requests += of.requests
            whole.total_ms += of.total_ms
            whole.errors += of.errors
            whole.latest.extend(of.latest)
        return _shown(whole) | {"routes": routes}


def _shown(of: _Route) -> dict[str, Any]:
    latest = np.array(of.latest)
    quantiles = {
        name: round(float(np.quantile(latest, q)), 2) if len(latest) else None
        for name, q in QUANTILES.items()
    }
    return {
        "total_requests": of.requests,
        "total_time_ms": round(of.total_ms, 2),
        "average_time_ms": round(of.total_ms / of.requests, 2) if of.requests else None,
        "errors": of.errors,
        **quantiles,
    }
