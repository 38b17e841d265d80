"""A quarter of an hour of the demo's shop, for pictures of pages: busier than tests need. Milliseconds.

The same random numbers each time; only the present moves.
"""

import secrets
from collections.abc import Mapping
from random import Random
from typing import Any, cast

from deploy.local.demo.shop import SLOW_FIRST_S, SLOW_S, Shop
from shared.model.funnel import EFFECT_CREATION
from shared.runtime.clock import now_ms
from tests.support.page import event, post
from tests.support.processes.system import System
from tidegauge_client import Telemetry

MINUTES = 15
VISITORS_BEFORE = 400
"""Of the hours before: they have had the time to come through the funnel."""

SENT_AT_ONCE = 1000


class Recorded:
    """Takes what the shop tells, and posts it later."""

    def __init__(self) -> None:
        self.ts = 0
        self.points: list[dict[str, Any]] = []
        self.events: list[dict[str, Any]] = []

    def point(
        self, name: str, value: float, *, kind: str = "gauge", unit: str = "", labels: Mapping[str, str]
    ) -> None:
        """A point at the present time."""
        self.points.append({
            "name": name, "value": value, "kind": kind, "unit": unit, "ts": self.ts, "labels": labels
        })  # fmt: skip

    def event(self, kind: str, name: str, *, session_id: str, properties: Mapping[str, Any]) -> None:
        """An event at the present time."""
        self.events.append({
            "event_id": secrets.token_hex(8), "type": kind, "name": name, "ts": self.ts, "session_id": session_id,
            "user_id": f"user-{len(self.events) % 23}", "properties": properties,
        })  # fmt: skip


def scenery() -> Recorded:
    """Loads of the last quarter of an hour, some five a second, a slow minute among them, and visitors of today."""
    made, chance, now = Recorded(), Random(7), now_ms()
    slow = now - round(SLOW_S * 1000)
    # The shop opened before, so that its slow minute is the last one, and pages.
    made.ts = slow - round(SLOW_FIRST_S * 1000)
    shop = Shop(cast(Telemetry, made), chance, lambda: made.ts / 1000)
    made.ts = now - MINUTES * 60_000
    while made.ts < now - 2000:
        made.ts += round(chance.expovariate(1 / 200))
        shop.load(f"guest-{chance.randrange(500)}")
    for number in range(VISITORS_BEFORE):
        ts = now - 40 * 60_000 - number * 30_000
        for step in EFFECT_CREATION.steps:
            made.events.append(event("funnel_step", step, ts, f"visitor-of-today-{number}"))
            ts += round(chance.expovariate(1 / 6000))
            if chance.random() > 0.78:
                break
    return made


async def furnish(system: System) -> int:
    """Post it; how many answers of the shop's API there are."""
    made = scenery()
    for path, what, rows in (("/v1/telemetry", "points", made.points), ("/v1/events", "events", made.events)):
        for first in range(0, len(rows), SENT_AT_ONCE):
            answer = await post(system, path, {what: rows[first : first + SENT_AT_ONCE]})
            assert answer.json()["rejected"] == []
    return sum(one["name"] == "api.response_seconds" for one in made.points)
