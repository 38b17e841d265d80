"""Whose turn it is on the processor: tenants that wait have equal shares of it, and what one does not use others have.

Seconds of processor time. Start-time fair queueing (Goyal, Vin and Cheng, 1996): the work of a tenant starts, in
virtual time, where its last work ended, and the tenant whose next work starts first is next. Invariant: of two tenants
that always wait, neither gets ahead of the other by more than the longest work of each.
"""

from collections import Counter
from collections.abc import Iterable

MAX_KNOWN = 10_000
"""Tenants of which it is known how long their last work took."""

UNKNOWN_S = 0.001
"""What is expected of a tenant that has done no work yet."""


class CpuShares:
    """The virtual time, and how far ahead of it each tenant is."""

    def __init__(self) -> None:
        self.used: Counter[int] = Counter()
        """Nanoseconds that each tenant has used."""
        self._now_s = 0.0
        self._ends_s: dict[int, float] = {}
        self._last_s: dict[int, float] = {}

    def next_of(self, waiting: Iterable[int]) -> int:
        """The tenant whose turn it is."""
        return min(waiting, key=self._start_s)

    def begin(self, tenant_id: int) -> float:
        """Its work begins; how long it is expected to take, which it is charged with until it has ended."""
        self._now_s = start_s = self._start_s(tenant_id)
        expected_s = self._last_s.get(tenant_id, UNKNOWN_S)
        self._ends_s[tenant_id] = start_s + expected_s
        return expected_s

    def end(self, tenant_id: int, took_s: float, expected_s: float) -> None:
        """Its work took so long."""
        self._ends_s[tenant_id] = self._ends_s.get(tenant_id, self._now_s) + took_s - expected_s
        if len(self._last_s) >= MAX_KNOWN:
            self._last_s.clear()
        self._last_s[tenant_id] = took_s
        self.used[tenant_id] += int(took_s * 1e9)

    def rest(self) -> None:
        """Nobody waits: who has used much is not ahead any more, and need not be known."""
        self._ends_s.clear()

    def _start_s(self, tenant_id: int) -> float:
        return max(self._now_s, self._ends_s.get(tenant_id, 0.0))
