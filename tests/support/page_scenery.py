"""A quarter of an hour of a busy shop, for the picture at the top of README: more than the tests need.

Milliseconds. The same random numbers each time; only the present moves.
"""

import math
import random
from collections.abc import Iterator
from typing import Any

from shared.runtime.clock import now_ms

MINUTES = 15
ENDPOINTS = {"/search": 0.18, "/product": 0.09, "/cart": 0.12, "/checkout": 0.32}
"""Middle of the seconds that each takes."""


def points() -> list[dict[str, Any]]:
    """Responses, vitals and heaps, oldest first: some 15,000."""
    chance, now = random.Random(7), now_ms()
    return [
        one for second in range(MINUTES * 60, 2, -1) for one in _second(chance, now - second * 1000, second)
    ]


def _second(chance: random.Random, ts: int, second: int) -> Iterator[dict[str, Any]]:
    rate = 12 + 5 * math.sin(second / 90) + 2 * math.sin(second / 17)
    for _ in range(round(rate + chance.gauss(0, 1))):
        endpoint = chance.choice(list(ENDPOINTS))
        status = "503" if chance.random() < 0.006 else "200"
        labels = {"endpoint": endpoint, "method": "GET", "status": status}
        value = chance.lognormvariate(math.log(ENDPOINTS[endpoint]), 0.5)
        yield {
            "name": "api.response_seconds",
            "value": value,
            "kind": "delta",
            "unit": "s",
            "ts": ts,
            "labels": labels,
        }
    for _ in range(2):
        page = {"page": chance.choice(list(ENDPOINTS))}
        vital = {"kind": "gauge", "unit": "ms", "ts": ts, "labels": page}
        yield {"name": "web_vital.lcp", "value": chance.lognormvariate(math.log(1700), 0.35), **vital}
    if second % 2:
        heap = 0.55 + 0.1 * ((second / 60) % 1)
        yield {"name": "memory.heap_ratio", "value": heap, "kind": "gauge", "unit": "1", "ts": ts}
