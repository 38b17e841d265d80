"""Lines for the application's log: at most one a minute for each topic.

A line counts the items since the previous line of its topic; `stats` has the exact totals. Invariant: a flood of
failures writes no more than one line a minute for each topic.
"""

import time
from collections import Counter
from logging import WARNING, getLogger

EVERY_S = 60.0
"""Time between two lines of one topic."""

log = getLogger("tidegauge_client")
"""The logger of this client."""


class Reports:
    """The log lines of one sender."""

    def __init__(self, signal: str) -> None:
        self._signal = signal
        self._reported_s: dict[str, float] = {}
        self._unreported: Counter[str] = Counter()

    def report(self, topic: str, items: int, why: str, level: int = WARNING) -> None:
        """Report items under a topic, now or with the next line of the topic."""
        self._unreported[topic] += items
        now_s = time.monotonic()
        if now_s - self._reported_s.get(topic, -EVERY_S) >= EVERY_S:
            self._reported_s[topic] = now_s
            log.log(level, "%d %s %s: %s", self._unreported.pop(topic), self._signal, topic, why)
