"""Lines for the application's log: at most one a minute for each topic.

A line counts the items since the previous line of its topic; `stats` has the exact totals. Invariant: a flood of
failures writes no more than one line a minute for each topic.
"""

import time
from collections import Counter
from logging import ERROR, WARNING, getLogger

from tidegauge_client import stats

EVERY_S = 60.0
"""Time between two lines of one topic."""

log = getLogger("tidegauge_client")
"""The logger of this client."""

SHED = {
    stats.QUEUE_FULL: "the oldest made room for newer ones",
    stats.SPOOL_FULL: "the oldest made room for newer ones",
    stats.TOO_LARGE: "more bytes than a request may have",
}
"""Why items were shed, by reason."""


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
            # Nothing is left when a signal handler has come by and reported it.
            if unreported := self._unreported.pop(topic, 0):
                log.log(level, "%d %s %s: %s", unreported, self._signal, topic, why)

    def shed(self, reason: str, items: int) -> None:
        """Report items that were shed."""
        self.report(f"dropped ({reason})", items, SHED[reason], ERROR)
