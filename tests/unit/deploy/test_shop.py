"""The made-up shop of the demo, by the public client, against a receiver."""

import re
from random import Random

import pytest

from deploy.local.demo.shop import LIMITS, PAGES, SLOW_EVERY_S, SLOW_FIRST_S, SLOW_S, SLOWED, Shop
from deploy.local.folder import ROOT
from tests.support.http.receiver import receiving
from tidegauge_client import Telemetry


class Now:
    """The time that a test says."""

    def __init__(self) -> None:
        self.s = 1000.0

    def __call__(self) -> float:
        """Seconds."""
        return self.s


@pytest.mark.parametrize(
    ("after_s", "is_slow"),
    [
        (0, False), (SLOW_FIRST_S - 1, False), (SLOW_FIRST_S, True), (SLOW_FIRST_S + SLOW_S - 1, True),
        (SLOW_FIRST_S + SLOW_S, False), (SLOW_FIRST_S + SLOW_EVERY_S, True),
    ],
)  # fmt: skip
def test_a_minute_is_slow_each_quarter_of_an_hour(after_s: float, is_slow: bool) -> None:
    """Not at once: who has just started it looks at a shop that is well."""
    now = Now()
    with receiving() as receiver, Telemetry(receiver.url, "w") as telemetry:
        shop = Shop(telemetry, now_s=now)
        now.s += after_s

        assert is_slow is shop.is_slow()


def test_a_slow_minute_pages_and_a_usual_one_does_not() -> None:
    """Of what the rule asks, a response above 5 s, there is one in a slow minute: of one endpoint in one region."""
    now, chance = Now(), Random(7)
    with receiving() as receiver:
        with Telemetry(receiver.url, "w") as telemetry:
            shop = Shop(telemetry, chance, now)
            for _ in range(2000):
                shop.load("usual")
            assert telemetry.flush(30)
            usual = len(receiver.points)
            now.s += SLOW_FIRST_S
            for _ in range(200):
                shop.load("slow")
        responses = [point for point in receiver.points if point["name"] == "api.response_seconds"]
        slow = [point["labels"] for point in responses if point["value"] > 5]
        before = [point for point in receiver.points[:usual] if point["name"] == "api.response_seconds"]

    assert {SLOWED} == {(labels["endpoint"], labels["region"]) for labels in slow}
    assert max(point["value"] for point in before) < 3
    assert {page.path for page in PAGES} == {point["labels"]["endpoint"] for point in responses}
    assert {"error"} == {event["type"] for event in receiver.events}


def test_its_limits_are_those_that_the_docs_name() -> None:
    """A vital of the demo is rated as one of a real page."""
    table = (ROOT / "docs/clients/mapping.md").read_text()
    rows = re.findall(r"`(web_vital\.\w+)` \|.*\| good up to ([\d.,]+), poor above ([\d.,]+)", table)
    said = {name: tuple(float(limit.replace(",", "")) for limit in limits) for name, *limits in rows}

    assert said | LIMITS == said
