"""What becomes of a batch after each attempt to send it; the same for clients with threads and for asyncio.

`_s` is a span, `_ms` is UTC. Nothing here waits. Invariant: a batch is repeated under one id until the gateway has
answered for it, or it is too old, or so long in doubt that the gateway might count it again.
"""

import math
import time
from collections.abc import Callable, Sequence
from logging import ERROR
from typing import Any, Generic

from tidegauge_client import stats
from tidegauge_client.clock import now_ms
from tidegauge_client.delivery.answer import Again, Refused, Rejection, Settled, TooLarge, Verdict
from tidegauge_client.delivery.backlog import Backlog
from tidegauge_client.delivery.backoff import Backoff
from tidegauge_client.delivery.batch import Batch, Content, fields, halves
from tidegauge_client.delivery.reports import Reports, log
from tidegauge_client.delivery.spool.stored_batch import Damaged
from tidegauge_client.settings import Settings, SpoolSettings
from tidegauge_client.signal import Item

OnRejected = Callable[[Rejection], object]
"""Called for each rejected item, on the sender's thread or in its task."""


class Following(Generic[Item]):
    """Follows the verdicts on the batches of a backlog."""

    def __init__(
        self,
        backlog: Backlog[Item],
        settings: Settings,
        spool: SpoolSettings | None,
        reports: Reports,
        on_rejected: OnRejected | None,
    ) -> None:
        self._backlog = backlog
        self._settings = settings
        self._spool = spool
        self._reports = reports
        self._on_rejected = on_rejected
        self.backoff = Backoff(settings.retry_first_s, settings.retry_longest_s)

    def add(self, made: Sequence[Batch]) -> None:
        """Save new batches where there is a spool, and add them to the backlog."""
        for batch in made:
            if self._backlog.spool is not None and not batch.too_large:
                try:
                    self._backlog.spool.save(batch)
                except OSError as problem:
                    self._unsaved(batch.count, problem)
        self._backlog.add(made)

    def save_again(self) -> None:
        """Save what could not be saved before."""
        try:
            self._backlog.save_again()
        except OSError as problem:
            self._unsaved(0, problem)

    def _unsaved(self, items: int, problem: OSError) -> None:
        self._reports.report("in memory alone", items, f"spool: {problem}", ERROR)

    def content(self, batch: Batch) -> Content | None:
        """What is to be sent of a batch; None: it was given up."""
        if batch.too_large:
            self._drop(batch, stats.TOO_LARGE, "more bytes than a request may have")
            return None
        left_s, reason = self._left_s(batch)
        if left_s <= 0 and batch.stored is not None:
            self._drop(batch, reason, "it could not be sent in time")
            return None
        if self._backlog.spool is None:
            return batch.content
        try:
            return self._backlog.spool.load(batch)
        except Damaged as problem:
            self._drop(batch, stats.DAMAGED, str(problem))
            return None

    def attempt(self, batch: Batch) -> bool:
        """Note that a batch is being sent, for a process that finds it later; whether this is its first attempt."""
        first = not batch.tried_ms
        if first:
            self._mark(batch, now_ms())
        return first

    def withdraw(self, batch: Batch) -> None:
        """Note that the gateway has not taken a batch."""
        self._mark(batch, 0)

    def _mark(self, batch: Batch, tried_ms: int) -> None:
        if self._backlog.spool is None:
            batch.tried_ms = tried_ms
        else:
            self._backlog.spool.mark(batch, tried_ms)

    def follow(self, batch: Batch, content: Content, found: Verdict) -> tuple[float, float] | None:
        """Do what a verdict says; the shortest and the longest pause before the next attempt, None: no pause."""
        match found:
            case Again(after_s, why):
                return self._again(batch, after_s, why)
            case Settled(rejected, warnings):
                for code, items, message in warnings:
                    self._reports.report("taken with a warning", items, f"{code} {message}")
                self._hand_over(batch, content, rejected)
                self._backlog.finish(batch, len(rejected))
            case TooLarge(_) if batch.count > 1:
                self._split(batch, content)
            case TooLarge(why):
                self._drop(batch, stats.TOO_LARGE, why)
            case Refused(why):
                self._drop(batch, stats.REFUSED, why)
        self.backoff.reset()
        return None

    def _again(self, batch: Batch, after_s: float, why: str) -> tuple[float, float]:
        """Pause; the batch stays the first, unless it would be too old when it may come again."""
        pause_s = self.backoff.pause_s(after_s)
        left_s, reason = self._left_s(batch)
        if after_s > left_s:
            self._drop(batch, reason, why)
            return after_s, pause_s
        self._backlog.repeated()
        self._reports.report("to be sent again", batch.count, why)
        return after_s, min(pause_s, left_s)

    def _left_s(self, batch: Batch) -> tuple[float, str]:
        """How long a batch may still be sent, and why no longer."""
        if batch.stored is None or self._spool is None:
            age_left_s = batch.made_s + self._settings.max_age_s - time.monotonic()
        else:
            age_left_s = self._spool.max_age_s - (now_ms() - batch.made_ms) / 1000
        known_s = self._backlog.signal.known_s
        doubt_left_s = known_s - (now_ms() - batch.tried_ms) / 1000 if batch.tried_ms else math.inf
        return min((age_left_s, stats.TOO_OLD), (doubt_left_s, stats.IN_DOUBT))

    def _split(self, batch: Batch, content: Content) -> None:
        parts = halves(batch, content)
        if self._backlog.spool is not None:
            try:
                self._backlog.spool.split(batch, parts)
            except OSError as problem:
                self._unsaved(batch.count, problem)
        self._backlog.replace(batch, parts)

    def _drop(self, batch: Batch, reason: str, why: str) -> None:
        self._reports.report(f"dropped ({reason})", batch.count, why, ERROR)
        self._backlog.drop(batch, reason)

    def _hand_over(self, batch: Batch, content: Content, rejected: list[tuple[int, str, str]]) -> None:
        if not rejected:
            return
        index, code, message = rejected[0]
        self._reports.report("rejected", len(rejected), f"{code} {message} (item {index} of {batch.count})")
        if self._on_rejected is None:
            return
        items: list[dict[str, Any]] = fields(batch, content)
        for index, code, message in rejected:
            try:
                self._on_rejected(Rejection(batch.signal.name, items[index], code, message))
            except Exception:  # noqa: BLE001  the application's code must not end our thread
                log.exception("on_rejected failed")
