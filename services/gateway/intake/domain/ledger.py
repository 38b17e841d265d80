"""The ledger entries of a flush: every admitted row, and every refusal, in exactly one message.

Counts are rows of points, or events. Invariant: the entries of a flush's messages add up to what its requests were
counted as on arrival.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from services.gateway.intake.domain.admission import Rejection
from shared.ledger.entries import RECEIVED, REJECTED, Line, coded

MAX_LINES = 5_000
"""Lines for one message beside its own: a message stays small, and what is left goes with the next."""


@dataclass(frozen=True, slots=True)
class Admitted:
    """A request as it was counted at the door."""

    tenant_id: int
    rows: int
    """What was let in."""
    refused: Mapping[str, int]
    """What was refused, by code."""
    came_in: str = RECEIVED
    """Or derived: made by the gateway itself."""


def admitted(tenant_id: int, rows: int, rejected: Sequence[Rejection]) -> Admitted:
    """A request of so many rows, beside those that were refused."""
    return Admitted(tenant_id, rows, Counter(each.code for each in rejected) if rejected else {})


class RowsByTenant:
    """Whose the rows of a flush are, by the number of the request that brought them."""

    def __init__(self, requests: Sequence[Admitted]) -> None:
        self._owners = sorted({(request.tenant_id, request.came_in) for request in requests})
        places = {owner: at for at, owner in enumerate(self._owners)}
        self._place = np.array([places[request.tenant_id, request.came_in] for request in requests], np.intp)

    def of(self, source: NDArray[np.integer]) -> list[Line]:
        """A line for each tenant, and each way in, among rows that these requests brought."""
        if len(self._owners) == 1:
            return [Line(*self._owners[0], len(source))]
        found = np.bincount(self._place[source], minlength=len(self._owners)).tolist()
        return [Line(*owner, rows) for owner, rows in zip(self._owners, found, strict=True) if rows]


class PendingEntries:
    """Entries that no message has carried yet; one for each life of a producer."""

    def __init__(self) -> None:
        self._counts: defaultdict[int, Counter[str]] = defaultdict(Counter)

    def __bool__(self) -> bool:
        return bool(self._counts)

    def add(self, requests: Iterable[Admitted]) -> None:
        """Take these in."""
        for request in requests:
            counts = self._counts[request.tenant_id]
            counts[request.came_in] += request.rows
            for code, number in request.refused.items():
                counts[request.came_in] += number
                counts[coded(REJECTED, code)] += number

    def carried(self, lines: Iterable[Line]) -> None:
        """A message says this of the rows that it bears."""
        for tenant_id, outcome, number in lines:
            self._counts[tenant_id][outcome] -= number

    def rest(self) -> list[Line]:
        """Lines for what no message bears: refusals, and rows that were lost on the way. Of a tenant all, or none."""
        lines: list[Line] = []
        while self._counts and len(lines) < MAX_LINES:
            tenant_id, counts = self._counts.popitem()
            lines += [Line(tenant_id, outcome, number) for outcome, number in counts.items() if number]
        return lines
