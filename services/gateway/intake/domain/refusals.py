"""Whole requests that were refused, counted by tenant until the log has the counts.

A client that is refused may tell nobody. What is counted here is shown to its tenant as increments of `intake.refused`.
Invariant: a refusal is handed out once, and the counts that are kept have a bound.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable
from typing import NamedTuple

from services.gateway.intake.domain.strangers import Strangers
from shared.model.bound import Bound

MAX_COUNTS = 20_000
"""Counts that wait, of all tenants; a new one beyond them is left out."""


class Refusal(NamedTuple):
    """Why a request was refused."""

    path: str
    """The route, with `{names}` in the place of what it was asked with."""
    status: int
    """What its client was answered."""
    code: str


class RefusedRequests:
    """What has been refused since it was last handed out."""

    def __init__(self, max_counts: int = MAX_COUNTS) -> None:
        self._counts: defaultdict[int, Counter[Refusal]] = defaultdict(Counter)
        self._max_counts = max_counts
        self._waiting = 0
        self._left_out = 0

    def add(self, tenant_id: int, refusal: Refusal) -> None:
        """One more."""
        if refusal not in self._counts[tenant_id]:
            if self._waiting >= self._max_counts:
                self._left_out += 1
                return
            self._waiting += 1
        self._counts[tenant_id][refusal] += 1

    def take(self) -> tuple[int, Counter[Refusal]] | None:
        """All counts of a tenant; None where no tenant has any."""
        while self._counts:
            tenant_id, counts = self._counts.popitem()
            self._waiting -= len(counts)
            if counts:
                return tenant_id, counts
        return None

    def bound(self) -> Bound:
        """What may wait."""
        return Bound("refusals", "entries", self._max_counts, lambda: self._waiting, lambda: self._left_out)


class Refusals:
    """All requests that were refused as a whole: those of tenants, and those of nobody."""

    def __init__(self) -> None:
        self.of_tenants = RefusedRequests()
        self.strangers = Strangers()

    def note(self, tenant_id: int | None, refusal: Refusal, headers: Iterable[tuple[bytes, bytes]]) -> None:
        """One more; `headers` are those of the request."""
        if tenant_id is None:
            self.strangers.note(refusal.status, headers)
        else:
            self.of_tenants.add(tenant_id, refusal)
