"""StatsD lines by UDP: from a real socket, on a log that does as it is told."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from services.gateway.auth.key_cache import KeyCache
from services.gateway.auth.ports import Grant
from services.gateway.http.body import Limits
from services.gateway.intake.adapters.http import IntakeContext
from services.gateway.intake.adapters.intake_batches import Decode
from services.gateway.intake.adapters.statsd_udp import (
    BATCH_BYTES,
    DatagramQueue,
    StatsdSocket,
    statsd_socket,
)
from services.gateway.intake.columns.admit_points import PointAdmission
from services.gateway.intake.domain.in_flight import ConcurrencyLimits, InFlight
from services.gateway.intake.domain.tenant_limits import TenantLimits
from services.gateway.intake.ports import Outcome
from services.gateway.intake.protocols.statsd.decode import StatsdLines
from services.gateway.intake.publish.point_batches import PointIntakeBatch
from services.gateway.intake.service import Intake, IntakeCounters, Intakes
from shared.errors import Misconfigured
from tests.support.idempotency import FakeIdempotencyClaims

LIMITS = Limits(wire_bytes=10_000, decoded_bytes=20_000, idle_s=0.05, total_s=1.0)


class FakeLog:
    """Gives each publication the next outcome, and the last one from then on."""

    def __init__(self, *outcomes: Outcome) -> None:
        self._outcomes = list(outcomes)
        self.batches: list[bytes] = []
        self.rows = 0
        self.published = asyncio.Event()

    def refusal(self) -> str | None:
        """It is there."""
        return None

    async def publish(self, batch: PointIntakeBatch) -> Outcome:
        """Remember the batch."""
        assert batch.identity is not None
        self.batches.append(batch.identity.batch_id)
        outcome = self._outcomes.pop(0) if len(self._outcomes) > 1 else self._outcomes[0]
        if outcome is Outcome.ACCEPTED:
            self.rows += len(batch)
        self.published.set()
        return outcome

    def note(self, batch: PointIntakeBatch) -> None:
        """Nothing to remember."""


class FakeGrants:
    """Knows any key, or none."""

    def __init__(self, *, known: bool = True) -> None:
        self._known = known

    async def find(self, key_hash: bytes) -> Grant | None:
        """What the key may do."""
        return Grant(1, "write", 1000.0, 1000.0) if self._known else None


@asynccontextmanager
async def receiving(log: FakeLog, *, known: bool = True) -> AsyncIterator[tuple[StatsdSocket, Any]]:
    """A socket that brings to this log what comes, and how to send to it; at the end what waits is brought, too."""
    claims, counters = FakeIdempotencyClaims(), IntakeCounters()
    intakes: Any = Intakes(Intake(log, counters, claims), Intake(log, counters, claims), TenantLimits())
    context = IntakeContext(
        intakes, KeyCache(FakeGrants(known=known)), LIMITS, ConcurrencyLimits(10, 10), InFlight()
    )
    listening = statsd_socket("127.0.0.1", 0)
    address = listening.getsockname()
    made = StatsdSocket(context, Decode(StatsdLines(), PointAdmission(1000)), listening, "k")
    running = asyncio.create_task(made.run())
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sending:
        yield made, lambda line: sending.sendto(line, address)
    made.stop()
    await asyncio.wait_for(running, 10)


async def test_lines_that_come_are_in_the_log() -> None:
    """Several in a datagram, and a bad one among them."""
    log = FakeLog(Outcome.ACCEPTED)
    async with receiving(log) as (made, send):
        send(b"a:1|c\nb:2|g\nbad\n")
        await asyncio.wait_for(log.published.wait(), 10)

    assert (2, 1, {}) == (log.rows, made.queue.counters.received, dict(made.queue.counters.dropped))


async def test_what_cannot_be_taken_is_posted_again_under_its_key() -> None:
    """So that it counts once, whatever became of the first try."""
    log = FakeLog(Outcome.UNKNOWN, Outcome.ACCEPTED)
    async with receiving(log) as (made, send):
        send(b"a:1|c")
        await asyncio.wait_for(log.published.wait(), 10)
        log.published.clear()
        await asyncio.wait_for(log.published.wait(), 10)

    assert (1, 2, 1) == (log.rows, len(log.batches), len(set(log.batches)))
    assert {} == dict(made.queue.counters.dropped)


@pytest.mark.parametrize(
    ("known", "outcome", "reason"),
    [(False, Outcome.ACCEPTED, "unauthorised"), (True, Outcome.NOT_ACCEPTED, "unavailable")],
    ids=["an unknown key", "a stop while Kafka is away"],
)
async def test_what_is_not_in_the_log_is_counted(known: bool, outcome: Outcome, reason: str) -> None:
    """By reason; a stop does not wait for ever."""
    log = FakeLog(outcome)
    async with receiving(log, known=known) as (made, send):
        send(b"a:1|c")
        await asyncio.wait_for(made.queue.filled.wait(), 10)

    assert {reason: 1} == dict(made.queue.counters.dropped)


def test_datagrams_beyond_the_limit_are_dropped_and_counted() -> None:
    """At the limit they wait."""
    queue = DatagramQueue(10)
    for datagram in (b"12345", b"67890", b"1"):
        queue.put(datagram)
    bound = queue.bound()

    assert (10, 10, 1, 3) == (bound.limit, bound.used(), bound.evicted(), queue.counters.received)
    assert ([b"12345", b"67890"], 0) == (queue.take(), bound.used())


def test_a_batch_is_of_about_so_many_bytes() -> None:
    """What is left waits for the next one."""
    queue = DatagramQueue()
    for _ in range(5):
        queue.put(bytes(BATCH_BYTES // 2))

    assert [2, 2, 1, 0] == [len(queue.take()) for _ in range(4)]


def test_a_port_that_is_taken_names_the_setting() -> None:
    """Before anything is served."""
    with statsd_socket("127.0.0.1", 0) as taken, pytest.raises(Misconfigured, match="statsd_port"):
        statsd_socket("127.0.0.1", taken.getsockname()[1])
