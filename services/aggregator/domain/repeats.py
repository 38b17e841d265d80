"""Finds repeated batches of clients: a partition remembers batch ids for 15 minutes of log time.

Log time is the highest append time of a message that brought a new id, in whole seconds; other times are milliseconds
UTC. Invariant: of all repeats of a batch in a partition only the first in the log counts, also after restarts.
"""

from collections import deque
from collections.abc import Sequence
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from services.aggregator.domain.remembered import NEWEST, NONE, Remembered, Words, words_of

REMEMBERED_S = 15 * 60
"""How long an id is remembered."""

MAX_IDS = 500_000
"""Ids of a partition that are remembered at once; beyond it the oldest make room."""

Part: TypeAlias = tuple[bytes, int, int, int]
"""The rows of one client's batch in a message: id of 16 bytes, hash of its body, first row, and how many."""


class Verdict(NamedTuple):
    """Which rows of a message with repeats count."""

    kept: NDArray[np.bool_]
    """Rows that count; all others are repeats."""
    conflict: NDArray[np.bool_]
    """Repeats of an id with another body."""


class Fresh(NamedTuple):
    """New ids in the order of the log, to be stored."""

    ids: list[bytes]
    body: list[int]
    rows: list[int]
    received_s: list[int]
    """Log time in seconds."""


class Repeats:
    """The memory of one partition."""

    def __init__(self, max_ids: int = MAX_IDS, newest: int = NEWEST) -> None:
        self._max_ids = max_ids
        self._newest = newest
        self._memory = Remembered(words_of(b""), NONE, newest)
        self._seconds: deque[tuple[int, int]] = deque()
        """(second of log time, number of its first id), ascending."""
        self._fresh = Fresh([], [], [], [])
        self.evicted = 0
        """Ids that were evicted before their time."""

    @property
    def size(self) -> int:
        """Ids that are remembered."""
        return self._memory.count - self._memory.oldest

    @property
    def waiting(self) -> int:
        """New ids that wait to be stored."""
        return len(self._fresh.ids)

    def judge(self, parts: Sequence[Part], appended_at_ms: int, rows: int) -> Verdict | None:
        """Which of a message's rows count, None when all do; remembers its new ids."""
        if not parts:
            return None
        now_s = max(appended_at_ms // 1000, self._seconds[-1][0] if self._seconds else 0)
        ids, bodies, _, sizes = zip(*parts, strict=True)
        known = self._memory.known(ids, self._oldest(now_s))
        if not known and len(set(ids)) == len(ids):
            self._remember(ids, bodies, sizes, now_s)
            return None
        verdict = Verdict(np.ones(rows, np.bool_), np.zeros(rows, np.bool_))
        new: list[Part] = []
        for part in parts:
            one, body, first, size = part
            if one in known:
                verdict.kept[first : first + size] = False
                verdict.conflict[first : first + size] = known[one] != body
            else:
                known[one] = body
                new.append(part)
        if new:
            ids, bodies, _, sizes = zip(*new, strict=True)
            self._remember(ids, bodies, sizes, now_s)
        return verdict

    def _oldest(self, now_s: int) -> int:
        """The lowest number that is remembered at this log time."""
        of_age = (first for second, first in self._seconds if now_s - second <= REMEMBERED_S)
        return max(next(of_age, self._memory.count), self._memory.count - self._max_ids)

    def _remember(
        self, ids: Sequence[bytes], bodies: Sequence[int], sizes: Sequence[int], now_s: int
    ) -> None:
        if not self._seconds or self._seconds[-1][0] != now_s:
            self._seconds.append((now_s, self._memory.count))
        self._memory.add(ids, bodies)
        self._fresh.ids.extend(ids)
        self._fresh.body.extend(bodies)
        self._fresh.rows.extend(sizes)
        self._fresh.received_s.extend([now_s] * len(ids))
        while now_s - self._seconds[0][0] > REMEMBERED_S:
            self._seconds.popleft()
        of_age = max(self._seconds[0][1], self._memory.oldest)
        oldest = max(of_age, self._memory.count - self._max_ids)
        self.evicted += oldest - of_age
        self._memory.forget(oldest)

    def take(self) -> Fresh:
        """Hand over the new ids."""
        taken, self._fresh = self._fresh, Fresh([], [], [], [])
        return taken

    def restore(self, words: Words, body: NDArray[np.uint64], received_s: NDArray[np.int64]) -> None:
        """Start from stored ids in the order of the log; older ones than are remembered do no harm."""
        if not len(words):
            return
        since = int(np.searchsorted(received_s, received_s[-1] - REMEMBERED_S))
        since = max(since, len(words) - self._max_ids)
        self._memory = Remembered(words[since:], body[since:], self._newest)
        seconds, first = np.unique(received_s[since:], return_index=True)
        self._seconds = deque(zip(seconds.tolist(), first.tolist(), strict=True))
