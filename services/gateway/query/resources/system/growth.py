"""When each partition of a topic was last written to, from looks at the ends of the log.

Times are monotonic seconds, arguments. The first look at a partition counts as a write: nothing is known before it.
"""

from collections.abc import Mapping


class Growth:
    """Remembers the last look and when each end moved."""

    def __init__(self) -> None:
        self._ends: Mapping[int, int] = {}
        self._moved_s: dict[int, float] = {}

    def seen(self, ends: Mapping[int, int], now_s: float) -> None:
        """Take the end of each partition as a look at this time found it.

        A partition that never held a record is not waited for once another one has some: it was added later, and
        nothing is routed to it.
        """
        written = {partition: end for partition, end in ends.items() if end} or ends
        self._moved_s = {
            partition: self._moved_s.get(partition, now_s) if self._ends.get(partition) == end else now_s
            for partition, end in written.items()
        }
        self._ends = ends

    def silent_s(self, now_s: float) -> float:
        """How long ago the partition was written to that has waited longest; infinite before the first look."""
        return now_s - min(self._moved_s.values(), default=float("-inf"))
