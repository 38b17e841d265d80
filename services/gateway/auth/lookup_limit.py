"""Bounds the look-ups of keys that nobody has: a flood of made-up keys costs Postgres little, and known keys nothing.

Times are monotonic seconds, an argument. Look-ups that find a key are free. Invariant: in a span of `SPAN_S` at most
`MAX_MISSES` look-ups find nothing or are under way, and at most `ADDRESS_MISSES` of one address have found nothing when
another one begins.
"""

from collections import Counter

from shared.model.bound import Bound

SPAN_S = 10.0
"""Misses are counted over so long, and forgotten together."""

MAX_MISSES = 500
"""Look-ups of a span that find nothing."""

ADDRESS_MISSES = 20
"""Those of one address; a wrong key that comes again costs nothing while it is remembered."""


class LookupLimit:
    """Counts look-ups that find nothing, in all and by address."""

    def __init__(self) -> None:
        self._since_s = 0.0
        self._misses: Counter[str] = Counter()
        self._total = 0
        self._under_way = 0
        self.refused = 0
        """Requests that were told to come again."""

    def wait_s(self, address: str, now_s: float) -> float:
        """0 when a look-up may begin, else when to come again."""
        if now_s - self._since_s >= SPAN_S:
            self._since_s = now_s
            self._misses.clear()
            self._total = 0
        if self._misses.get(address, 0) < ADDRESS_MISSES and self._total + self._under_way < MAX_MISSES:
            return 0.0
        self.refused += 1
        return max(1.0, self._since_s + SPAN_S - now_s)

    def bound(self) -> Bound:
        """Look-ups of the present span that found nothing or are under way."""
        return Bound(
            "key_lookups", "entries", MAX_MISSES, lambda: self._total + self._under_way, lambda: self.refused
        )

    def begin(self) -> None:
        """A look-up begins."""
        self._under_way += 1

    def end(self, address: str, *, found: bool) -> None:
        """It has ended; one that could not be made has found nothing."""
        self._under_way -= 1
        if not found:
            self._misses[address] += 1
            self._total += 1
