"""Whether a process gets on: its attempts to commit end, and what waits in the log is folded and committed.

Offsets are those of checkpoints. A client library may fetch nothing, for ever, and say nothing; the group sees its
heartbeats, and nobody else takes its partitions. Then only ending the process helps.

Invariant: a partition is idle only when commits succeeded, and the log was read, at each of `IDLE_LOOKS` looks.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from shared.stream.owned import OwnedPartition
from shared.stream.processor import Key

IDLE_LOOKS = 4
"""Successive looks at the log at which a partition stands where it stood: longer than a request to a frozen broker."""


class Progress:
    """Told of attempts to commit and of looks at the log; its symptoms are read by the watchdog's thread."""

    def __init__(self) -> None:
        self._attempts = 0
        self._attempting = False
        self._commits = 0
        self._commits_at_look = 0
        self._stands: dict[Key, tuple[int, int]] = {}

    @contextmanager
    def attempt(self) -> Iterator[None]:
        """An attempt to commit, which succeeds unless it raises."""
        self._attempts += 1
        self._attempting = True
        try:
            yield
        finally:
            self._attempting = False
        self._commits += 1

    def looked(self, owned: Mapping[Key, OwnedPartition[Any]]) -> None:
        """The log was compared: count the looks at which each partition stood still though records waited.

        A look before the next commit says nothing: Postgres may be away.
        """
        if self._commits == self._commits_at_look:
            return
        self._commits_at_look = self._commits
        stood = self._stands
        self._stands = {}
        for key, one in owned.items():
            if one.end > one.start and not one.is_stopped():
                start, looks = stood.get(key, (one.start, 0))
                self._stands[key] = one.start, looks + 1 if start == one.start else 1

    def endless(self) -> str | None:
        """A symptom while one attempt to commit lasts."""
        return f"attempt {self._attempts} to commit does not end" if self._attempting else None

    def idle(self) -> str | None:
        """A symptom while records wait that nobody folds, though commits succeed."""
        idle = sorted(key for key, (_, looks) in self._stands.items() if looks > IDLE_LOOKS)
        if not idle:
            return None
        return "records wait and are not folded: " + ", ".join(
            f"{key.topic} {key.partition} at {self._stands[key][0]}" for key in idle
        )
