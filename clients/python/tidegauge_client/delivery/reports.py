"""Lines for the application's log: at most one a minute for each topic.

Their counts are of what was not yet told; `stats` has the exact ones. The law: a flood of failures is no flood of
lines, and no line holds the key.
"""

import time
from collections import Counter
from logging import WARNING, getLogger

EVERY_S = 60.0
"""Time between two lines of one topic."""

log = getLogger("tidegauge_client")
"""Where the application finds what this client has to say."""


class Reports:
    """What one sender has to say."""

    def __init__(self, signal: str) -> None:
        self._signal = signal
        self._reported_s: dict[str, float] = {}
        self._unreported: Counter[str] = Counter()

    def report(self, topic: str, items: int, why: str, level: int = WARNING) -> None:
        """Say that so many items met this fate, now or with the next line of the topic."""
        self._unreported[topic] += items
        now_s = time.monotonic()
        if now_s - self._reported_s.get(topic, -EVERY_S) >= EVERY_S:
            self._reported_s[topic] = now_s
            log.log(level, "%d %s %s: %s", self._unreported.pop(topic), self._signal, topic, why)
