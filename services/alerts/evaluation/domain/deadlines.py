"""When time alone will move the alerts of a partition: one heap, so that a tick costs what is due.

Times are milliseconds UTC of the log. Invariant: what is due comes in the order of time, then of keys, whatever the
order in which it was noted.
"""

import heapq
from collections.abc import Callable, Iterator

Key = tuple[str, int]
"""A rule's key and a series id."""


class Deadlines:
    """The next deadline of each alert. One that moves back stays where it is until it is looked at."""

    def __init__(self) -> None:
        self._heap: list[tuple[int, Key]] = []
        self._noted: dict[Key, int] = {}

    def __len__(self) -> int:
        return len(self._heap)

    def note(self, key: Key, at_ms: int | None) -> None:
        """Look at this alert then; None: time alone does nothing to it."""
        noted_ms = self._noted.get(key)
        if at_ms is not None and (noted_ms is None or at_ms < noted_ms):
            self._noted[key] = at_ms
            heapq.heappush(self._heap, (at_ms, key))

    def due(self, time_ms: int, deadline: Callable[[Key], int | None]) -> Iterator[tuple[int, Key]]:
        """The alerts whose deadline has come, each to be noted anew; `deadline` is what it is by now."""
        while self._heap and self._heap[0][0] <= time_ms:
            at_ms, key = heapq.heappop(self._heap)
            if self._noted.get(key) != at_ms:
                continue
            del self._noted[key]
            now_ms = deadline(key)
            if now_ms is not None and now_ms > at_ms:
                self.note(key, now_ms)
            elif now_ms is not None:
                yield now_ms, key
