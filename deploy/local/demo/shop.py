"""A made-up shop: visitors who walk the shipped funnel, the pages they load, what its API answers, scripts that fail.

Nobody else is here to visit pages, so all of this is invented, by chance; names and labels are those that real clients
send. Each quarter of an hour there is a slow minute: one region of the checkout answers late, fails, and pages. The
first one begins five minutes after the start. Times are seconds, vitals milliseconds.
"""

import asyncio
from collections.abc import Callable
from math import log
from random import Random
from secrets import SystemRandom
from typing import NamedTuple
from uuid import uuid4

from shared.model.funnel import EFFECT_CREATION
from shared.runtime.clock import monotonic_s
from tidegauge_client import Telemetry

VISIT_EVERY_S = 3.0
"""Mean time between two visitors."""

STEP_S = 1.5
"""Longest time that a visitor spends on a step."""

STAYS = 0.85
"""How likely a visitor goes on to the next step."""

SLOW_FIRST_S, SLOW_EVERY_S, SLOW_S = 300.0, 900.0, 60.0
"""When the first slow minute begins, how often there is one, and how long it is."""

SLOWED = ("/checkout", "eu-2")
"""The endpoint and the region that a slow minute is about."""

SLOWER = 30.0
"""How much longer its answers take."""

FAILS, FAILS_SLOW = 0.005, 0.2
"""How likely an answer is an error, usually and in a slow minute."""

THROWS = 0.02
"""How likely a script of a page fails."""


class Page(NamedTuple):
    """How a page usually is."""

    path: str
    weight: int
    """How often it is loaded, beside the others."""
    response_s: float
    """Median time of its API."""
    lcp_ms: float
    """Median time until its largest part is painted."""


PAGES = (
    Page("/", 4, 0.04, 1500), Page("/search", 3, 0.12, 2700), Page("/product/:id", 3, 0.06, 2000),
    Page("/cart", 2, 0.08, 1700), Page("/checkout", 2, 0.25, 2200),
)  # fmt: skip

REGIONS = ("eu-1", "eu-2", "us-1")

LIMITS = {
    "web_vital.lcp": (2500, 4000), "web_vital.inp": (200, 500), "web_vital.cls": (0.1, 0.25),
    "web_vital.fcp": (1800, 3000), "web_vital.ttfb": (800, 1800),
}  # fmt: skip
"""Good up to the first, poor above the second: the official limits, as in `docs/clients/mapping.md`."""

ERRORS = (
    ("TypeError", "Cannot read properties of undefined (reading 'price')", "cart.ts", 41),
    ("RangeError", "Invalid time value", "delivery.ts", 112),
    ("ChunkLoadError", "Loading chunk 7 failed", "router.ts", 18),
)
"""Type, message, file and line of what fails."""


def rating_of(metric: str, value: float) -> str:
    """What a browser says of a vital."""
    good, poor = LIMITS[metric]
    return "good" if value <= good else "poor" if value > poor else "needs-improvement"


class Shop:
    """The shop, as its visitors' browsers tell of it."""

    def __init__(
        self, telemetry: Telemetry, chance: Random | None = None, now_s: Callable[[], float] = monotonic_s
    ) -> None:
        self._telemetry = telemetry
        self._chance = chance or SystemRandom()
        self._now_s = now_s
        self._began_s = now_s()

    def is_slow(self) -> bool:
        """Whether this is a slow minute."""
        open_s = self._now_s() - self._began_s - SLOW_FIRST_S
        return open_s >= 0 and open_s % SLOW_EVERY_S < SLOW_S

    def load(self, session_id: str) -> None:
        """A visitor loads a page: what its API took, what the browser measured, perhaps an error."""
        [page] = self._chance.choices(PAGES, [each.weight for each in PAGES])
        took_s = self._answer(page)
        self._measure(page, took_s)
        if self._chance.random() < THROWS:
            self._throw(page, session_id)

    async def visit(self) -> None:
        """One visitor: takes the first step of the funnel, and each further one with some luck."""
        session_id = str(uuid4())
        for step in EFFECT_CREATION.steps:
            self.load(session_id)
            self._telemetry.funnel_step(step, session_id=session_id)
            await asyncio.sleep(self._chance.uniform(0, STEP_S))
            if self._chance.random() > STAYS:
                return

    async def open(self) -> None:
        """Let a visitor in every few seconds."""
        async with asyncio.TaskGroup() as visits:
            while True:
                visits.create_task(self.visit())
                await asyncio.sleep(self._chance.uniform(0, 2 * VISIT_EVERY_S))

    def _answer(self, page: Page) -> float:
        """What the API took."""
        region = self._chance.choice(REGIONS)
        is_slow = (page.path, region) == SLOWED and self.is_slow()
        took_s = self._near(page.response_s * (SLOWER if is_slow else 1), 0.4)
        failed = self._chance.random() < (FAILS_SLOW if is_slow else FAILS)
        method = "POST" if page.path == "/checkout" else "GET"
        status = ("504" if is_slow else "500") if failed else "200"
        labels = {"endpoint": page.path, "method": method, "status": status, "region": region}
        self._telemetry.point("api.response_seconds", took_s, kind="delta", unit="s", labels=labels)
        return took_s

    def _measure(self, page: Page, took_s: float) -> None:
        """Vitals of the load, and how full the heap is."""
        ttfb_ms = self._near(120, 0.5) + took_s * 300
        vitals = {
            "web_vital.ttfb": ttfb_ms,
            "web_vital.fcp": ttfb_ms + self._near(page.lcp_ms * 0.4, 0.3),
            "web_vital.lcp": ttfb_ms + self._near(page.lcp_ms * 0.85, 0.35),
            "web_vital.inp": self._near(90, 0.7),
            "web_vital.cls": self._near(0.03, 1.0),
        }
        for metric, value in vitals.items():
            unit = "1" if metric == "web_vital.cls" else "ms"
            labels = {
                "page": page.path,
                "rating": rating_of(metric, value),
                "navigation_type": "navigate",
            }
            self._telemetry.point(metric, round(value, 4), unit=unit, labels=labels)
        heap = min(0.98, self._near(0.35, 0.3))
        self._telemetry.point("memory.heap_ratio", heap, unit="1", labels={"page": page.path})

    def _throw(self, page: Page, session_id: str) -> None:
        name, message, file, line = self._chance.choice(ERRORS)
        frame = {"function": "render", "file": file, "line": line, "column": 7}
        properties = {
            "type": name, "message": message, "level": "error", "handled": False, "stack": [frame],
            "url": f"https://shop.example{page.path.replace(':id', '17')}", "release": "2026.11.3",
        }  # fmt: skip
        self._telemetry.event("error", name, session_id=session_id, properties=properties)

    def _near(self, median: float, spread: float) -> float:
        """A value around a median, seldom much larger."""
        return self._chance.lognormvariate(log(median), spread)
