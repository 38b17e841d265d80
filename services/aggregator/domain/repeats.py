"""Which batches of clients are repeats: a partition remembers their ids for 15 minutes of the log's time.

Log time is the highest receive time (milliseconds UTC) of a message that brought a new id, in whole seconds. The newest
ids wait in a dict, the others in sorted columns of 32 bytes each. The law: what is remembered follows from the messages
in their order, restarts or not; so of all repeats of a batch, in a partition, the first in the log counts.
"""

from collections import deque
from collections.abc import Sequence
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from services.aggregator.domain.remembered import Remembered, words_of

REMEMBERED_S = 15 * 60
"""How long an id is remembered."""

MAX_IDS = 500_000
"""Ids of a partition that are remembered at once; beyond it the oldest make room."""


class Part(Protocol):
    """The rows of one client's batch among those of a message."""

    @property
    def batch_id(self) -> bytes:
        """16 bytes that name the batch."""

    @property
    def body(self) -> int:
        """Hash of what the client sent."""

    @property
    def first(self) -> int:
        """First row."""

    @property
    def rows(self) -> int:
        """How many."""


class Verdict(NamedTuple):
    """What a message with repeats counts, row by row."""

    kept: NDArray[np.bool_]
    """Rows that count; all others are repeats."""
    conflict: NDArray[np.bool_]
    """Repeats under the id of another body."""


class Fresh(NamedTuple):
    """New ids in the order of the log, to be stored."""

    ids: list[bytes]
    body: list[int]
    rows: list[int]
    received_s: list[int]
    """Log time in seconds."""


class Repeats:
    """The memory of one partition."""

    def __init__(self, max_ids: int = MAX_IDS) -> None:
        self._max_ids = max_ids
        self._memory = Remembered()
        self._seconds: deque[tuple[int, int]] = deque()
        """(second of log time, number of its first id), ascending."""
        self._fresh = Fresh([], [], [], [])
        self.crowded_out = 0
        """Ids that made room before their time."""

    @property
    def waiting(self) -> int:
        """New ids that wait to be stored."""
        return len(self._fresh.ids)

    def judge(self, parts: Sequence[Part], received_at_ms: int, rows: int) -> Verdict | None:
        """Which of a message's rows count, None when all do; remembers its new ids."""
        now_s = max(received_at_ms // 1000, self._seconds[-1][0] if self._seconds else 0)
        ids = [part.batch_id for part in parts]
        if len(set(ids)) == len(ids) and not self._memory.any_known(ids, self._oldest(now_s)):
            self._remember(parts, now_s)
            return None
        return self._judge_each(parts, now_s, rows)

    def _judge_each(self, parts: Sequence[Part], now_s: int, rows: int) -> Verdict:
        verdict = Verdict(np.ones(rows, np.bool_), np.zeros(rows, np.bool_))
        for part in parts:
            body = self._memory.body_of(part.batch_id, self._oldest(now_s))
            if body is None:
                self._remember([part], now_s)
                continue
            span = slice(part.first, part.first + part.rows)
            verdict.kept[span], verdict.conflict[span] = False, body != part.body
        return verdict

    def _oldest(self, now_s: int) -> int:
        """The lowest number that is remembered at this log time."""
        of_age = (first for second, first in self._seconds if now_s - second <= REMEMBERED_S)
        return max(next(of_age, self._memory.count), self._memory.count - self._max_ids)

    def _remember(self, parts: Sequence[Part], now_s: int) -> None:
        if not self._seconds or self._seconds[-1][0] != now_s:
            self._seconds.append((now_s, self._memory.count))
        bodies = [part.body for part in parts]
        ids = [part.batch_id for part in parts]
        self._memory.add(ids, bodies)
        fresh = self._fresh
        fresh.ids.extend(ids)
        fresh.body.extend(bodies)
        fresh.rows.extend([part.rows for part in parts])
        fresh.received_s.extend([now_s] * len(ids))
        self._forget(now_s)

    def _forget(self, now_s: int) -> None:
        while now_s - self._seconds[0][0] > REMEMBERED_S:
            self._seconds.popleft()
        crowded = self._memory.count - self._max_ids - max(self._seconds[0][1], self._memory.oldest)
        self.crowded_out += max(0, crowded)
        self._memory.forget(self._oldest(now_s))

    def take(self) -> Fresh:
        """Hand over the new ids."""
        taken, self._fresh = self._fresh, Fresh([], [], [], [])
        return taken

    def restore(self, ids: bytes, body: NDArray[np.uint64], received_s: NDArray[np.int64]) -> None:
        """Start from stored ids (16 bytes each) in the order of the log; older ones than are remembered do no harm."""
        since = int(np.searchsorted(received_s, received_s[-1] - REMEMBERED_S)) if len(received_s) else 0
        since = max(since, len(received_s) - self._max_ids)
        self._memory = Remembered(words_of(ids)[since:], body[since:])
        seconds, first = np.unique(received_s[since:], return_index=True)
        self._seconds = deque(zip(seconds.tolist(), first.tolist(), strict=True))
