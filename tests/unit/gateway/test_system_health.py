"""The look at the system: what is asked, and what is not."""

from collections.abc import Sequence

import pytest

from services.gateway.query.resources.system.health import HealthReport, Partition
from services.gateway.query.service import SystemHealth
from shared.errors import Unavailable

TOPICS = {"ingest": "events", "aggregator": "metrics"}


class FakeCheckpoints:
    """Knows one moving partition of each topic; can be taken away."""

    def __init__(self, *, up: bool) -> None:
        self.up = up
        self.asked = 0

    async def partitions(self, topics: Sequence[str]) -> Sequence[Partition]:
        """One partition of each topic."""
        self.asked += 1
        if not self.up:
            raise Unavailable("postgres", "away")
        return [Partition(topic, True, 1.0, 0) for topic in topics]


async def check(checkpoints: FakeCheckpoints, *, postgres: bool, written: bool = True) -> HealthReport:
    """Look once, with a probe of Postgres that answers so."""

    async def probe() -> bool:
        return postgres

    return await SystemHealth(lambda: written, checkpoints, {"postgres": probe}).check(TOPICS, 1000)


async def test_what_answers_is_asked_once() -> None:
    """One question for the checkpoints of all services."""
    checkpoints = FakeCheckpoints(up=True)

    found = await check(checkpoints, postgres=True)

    assert ("ok", "ok", {"postgres": "up"}, 1) == (
        found.status,
        found.gateway,
        found.dependencies,
        checkpoints.asked,
    )


@pytest.mark.parametrize(("postgres", "asked"), [(False, 0), (True, 1)])
async def test_postgres_is_down_when_either_question_fails(postgres: bool, asked: int) -> None:
    """What did not answer the probe is not asked again; no service can be seen to work."""
    checkpoints = FakeCheckpoints(up=False)

    found = await check(checkpoints, postgres=postgres)

    assert ("down", {"postgres": "down"}, asked) == (found.status, found.dependencies, checkpoints.asked)
    assert {"ingest": "down", "aggregator": "down"} == {
        name: service.status for name, service in found.services.items()
    }


async def test_a_gateway_that_writes_nothing_is_degraded() -> None:
    """Questions are still answered."""
    found = await check(FakeCheckpoints(up=True), postgres=True, written=False)

    assert ("degraded", "degraded") == (found.status, found.gateway)
