"""Partitions that take nothing now: those without a leader, and those that failed a moment ago while others did not.

Monotonic seconds. Nothing is produced to them, so that nobody waits for them: requests with rows there are told to come
again. The broker is asked for leaders once a second as long as there are any.
"""

import asyncio
from collections.abc import Iterable
from typing import Protocol

import structlog

HOLD_S = 5.0
"""A partition that failed while others did not is left alone for so long."""

ASK_S = 1.0
"""Time between two questions for leaders."""

_log = structlog.get_logger(__name__)


class Leaders(Protocol):
    """What a producer knows of leaders."""

    def leaderless(self) -> frozenset[int]:
        """Partitions without a leader, as far as the broker has told."""

    async def refresh(self) -> None:
        """Ask the broker for the leaders."""


class AwayPartitions:
    """Those of one topic."""

    def __init__(self, topic: str) -> None:
        self._topic = topic
        self.present: frozenset[int] = frozenset()
        """As of the last update."""
        self._until_s: dict[int, float] = {}
        self._asked_s = -ASK_S
        self._asking: asyncio.Task[None] | None = None

    def update(self, leaders: Leaders, now_s: float) -> None:
        """See which they are now."""
        self._until_s = {
            partition: until_s for partition, until_s in self._until_s.items() if until_s > now_s
        }
        before, self.present = self.present, leaders.leaderless() | self._until_s.keys()
        if self.present != before:
            _log.warning("partitions take nothing", topic=self._topic, partitions=sorted(self.present))
        if self.present and now_s - self._asked_s >= ASK_S:
            self._asked_s = now_s
            self._asking = asyncio.create_task(leaders.refresh(), name="leaders")

    def hold(self, partitions: Iterable[int], now_s: float) -> None:
        """These have failed, and others have not."""
        self._until_s |= dict.fromkeys(partitions, now_s + HOLD_S)
