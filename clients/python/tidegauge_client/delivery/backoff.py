"""How long a sender waits after a failure: exponential, with full jitter.

Seconds. Invariant: clients that failed together do not come back together, and none comes back before the instant that
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
        """The next pause: what the gateway asked for, and a random part beyond it."""
        pause_s = random.uniform(0, self._bound_s)  # noqa: S311  jitter, no secret
        self._bound_s = min(2 * self._bound_s, self._longest_s)
        return least_s + pause_s

    def reset(self) -> None:
        """Begin anew: it works again, or somebody cannot wait."""
        self._bound_s = self._first_s
