"""The client and a real gateway: what was handed over is in the topic, also across a crash of the gateway."""

from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from deploy.local.stack import Stack
from tests.support.http.gateway import Gateway, started
from tidegauge_client import Stats, Telemetry

pytestmark = pytest.mark.servers


@pytest.fixture
def gateway(stack: Stack, tmp_path: Path) -> Iterator[Gateway]:
    """A ready gateway of the test's own."""
    made = started((stack.kafka, stack.postgres, stack.redis), f"client-{uuid4().hex[:8]}.", tmp_path)
    yield made
    made.remove()


@pytest.fixture
def telemetry(gateway: Gateway) -> Iterator[Telemetry]:
    """A client with the write key."""
    made = Telemetry(gateway.url, "write", retry_longest_s=0.5)
    yield made
    made.close(0.0)


async def test_values_in_the_topic_are_those_handed_over(gateway: Gateway, telemetry: Telemetry) -> None:
    """Of every kind, over many batches."""
    for value in range(3000):
        labels = {"core": str(value % 7)} if value % 2 else None
        telemetry.point("load", value, labels=labels, kind="delta" if value % 3 else "gauge", unit="s")
    telemetry.flush(30)

    assert Stats(sent=3000) == telemetry.stats
    assert list(range(3000)) == await gateway.values()


async def test_nothing_is_lost_when_the_gateway_is_killed(gateway: Gateway, telemetry: Telemetry) -> None:
    """What was handed over while it was dead arrives when it is back; what it had taken stays."""
    for value in range(1000):
        telemetry.point("load", value)
    before = telemetry.flush(30)
    gateway.remove()
    for value in range(1000, 2000):
        telemetry.point("load", value)
    during = telemetry.flush(0.2)
    gateway.start()
    await gateway.answers()
    for value in range(2000, 3000):
        telemetry.point("load", value)
    after = telemetry.flush(30)

    assert (True, False, True) == (before, during, after)
    assert (3000, 0, {}) == (telemetry.stats.sent, telemetry.stats.queued, telemetry.stats.dropped)
    assert telemetry.stats.retries > 0
    assert list(range(3000)) == await gateway.values()


async def test_one_bad_point_does_not_hold_the_others(gateway: Gateway, telemetry: Telemetry) -> None:
    """It is named, the rest of its batch is in the topic."""
    telemetry.point("load", 1)
    telemetry.point("__reserved", 2)
    telemetry.point("load", 3, weight=2.0)
    telemetry.flush(30)

    assert Stats(sent=2, rejected=1) == telemetry.stats
    assert [1.0, 3.0] == await gateway.values()
