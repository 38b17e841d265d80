"""The pause of a sender after a failure: exponential, with full jitter.

Spans are seconds. Full jitter spreads clients that failed together. Invariant: no pause ends before the instant that
the gateway asked for.
"""

import random


class Backoff:
    """Pauses that grow until something succeeds."""

    def __init__(self, first_s: float, longest_s: float) -> None:
        self._first_s = first_s
        self._longest_s = longest_s
        self._bound_s = first_s

    def pause_s(self, least_s: float) -> float:
        """The next pause: the wait that the gateway asked for, plus a random part."""
        pause_s = random.uniform(0, self._bound_s)  # noqa: S311  jitter, no secret
        self._bound_s = min(2 * self._bound_s, self._longest_s)
        return least_s + pause_s

    def reset(self) -> None:
        """Start from the first bound again: after a success, or when somebody flushes."""
        self._bound_s = self._first_s
