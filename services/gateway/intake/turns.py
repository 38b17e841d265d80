"""Gives requests the processor in turn, so that the bodies of one tenant do not keep the others waiting.

Seconds. While little is to be done each request is unpacked and decoded as soon as it has come. Where a round of the
event loop has used `QUANTUM_S` for that, requests wait, and the sockets are looked at before the next ones have their
turn, tenant by tenant as `CpuShares` says. Who has waited for long is refused while other tenants wait; a tenant that
is alone waits for nobody else. Invariant: who waits is let in or refused, in the order of its tenant.
"""

import asyncio
from collections import deque
from collections.abc import Callable

from services.gateway.intake.domain.cpu_share import CpuShares
from shared.model.bound import Bound

QUANTUM_S = 0.002
"""How long a round of the event loop may decode before the sockets are looked at."""


class Shed(Exception):
    """The tenant has had its share of the processor, and the request has waited too long for more."""


class Turns:
    """The requests that wait for their turn, by tenant."""

    def __init__(
        self, max_wait_s: float, max_waiting: int, now_s: Callable[[], float], shares: CpuShares | None = None
    ) -> None:
        self.shares = shares or CpuShares()
        """Who has used how much."""
        self._max_wait_s = max_wait_s
        self._max_waiting = max_waiting
        self._now_s = now_s
        self._waiting: dict[int, deque[tuple[asyncio.Future[float | None], float]]] = {}
        self._used_s = 0.0
        self._in_round = False
        self._shed = 0

    async def begin(self, tenant_id: int) -> float:
        """Wait for a turn; what `end` is to be told. Raises `Shed`."""
        if self._waiting or self._used_s >= QUANTUM_S:
            expected_s = await self._queued(tenant_id)
            if expected_s is None:
                raise Shed
            return expected_s
        self._go_round()
        return self.shares.begin(tenant_id)

    def end(self, tenant_id: int, took_s: float, expected_s: float) -> None:
        """The turn took so long."""
        self._used_s += took_s
        self.shares.end(tenant_id, took_s, expected_s)

    def bound(self) -> Bound:
        """Requests that wait."""
        return Bound("turns", "entries", self._max_waiting, self._count, lambda: self._shed)

    def _count(self) -> int:
        return sum(map(len, self._waiting.values()))

    def _queued(self, tenant_id: int) -> asyncio.Future[float | None]:
        turn: asyncio.Future[float | None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(tenant_id, deque()).append((turn, self._now_s()))
        self._go_round()
        return turn

    def _go_round(self) -> None:
        if not self._in_round:
            self._in_round = True
            asyncio.get_running_loop().call_soon(self._round)

    def _round(self) -> None:
        """Let so many in as are expected to take `QUANTUM_S`, one at least."""
        self._in_round, self._used_s = False, 0.0
        now_s, expected_s = self._now_s(), 0.0
        while self._waiting and expected_s < QUANTUM_S:
            tenant_id = self.shares.next_of(self._waiting)
            queue = self._waiting[tenant_id]
            turn, since_s = queue.popleft()
            if not queue:
                del self._waiting[tenant_id]
            if turn.cancelled():
                continue
            if now_s - since_s > self._max_wait_s and self._waiting.keys() - {tenant_id}:
                self._shed += 1
                turn.set_result(None)
                continue
            own_s = self.shares.begin(tenant_id)
            expected_s += own_s
            turn.set_result(own_s)
        if self._waiting:
            self._go_round()
        elif not expected_s:
            self.shares.rest()
