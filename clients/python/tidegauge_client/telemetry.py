"""The client for applications with threads, and without: one `Telemetry` for a process.

Spans are seconds. It sends from threads in the background, flushes when the process ends, and begins anew in a forked
child.
"""

import asyncio
import atexit
import os
import time
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import Any, Self

from tidegauge_client.delivery.backlog import Backlog
from tidegauge_client.delivery.signal_sender import SignalSender
from tidegauge_client.delivery.transport import Transport
from tidegauge_client.recorder import Recorder
from tidegauge_client.signal import EVENTS, POINTS, Item, Point, Signal

GRACE_S = 0.2
"""Time that a thread gets to count what it drops, when the time to close is over."""


class Telemetry(Recorder):
    """Sends points and events to a Tidegauge gateway from the background; safe to call from any thread."""

    def _begin(self) -> tuple[Callable[[Point], None], Callable[[str], None]]:
        self._points = self._sender(POINTS)
        self._events = self._sender(EVENTS)
        _open.add(self)
        return self._points.put, self._events.put

    def _sender(self, signal: Signal[Item]) -> SignalSender[Item]:
        transport = Transport(self._address, self._settings.timeout_s, self._tls)
        return SignalSender(signal, transport, self._settings, self._spool, self._on_rejected)

    def _backlogs(self) -> Iterable[Backlog[Any]]:
        return self._points.waiting, self._events.waiting

    def save(self, timeout_s: float = 5.0) -> bool:
        """Put what waits into the spool now; whether all of it outlives this process, or was settled, in time."""
        until_s = time.monotonic() + timeout_s
        points, events = self._points.waiting, self._events.waiting
        last_point, last_event = points.hasten(sending=False), events.hasten(sending=False)
        saved = points.saved(last_point, until_s)
        return events.saved(last_event, until_s) and saved

    def flush(self, timeout_s: float = 5.0) -> bool:
        """Send what waits now without waiting for company; whether all of it was settled in time."""
        return self._flushed(time.monotonic() + timeout_s)

    def _flushed(self, until_s: float) -> bool:
        points, events = self._points.waiting, self._events.waiting
        last_point, last_event = points.hasten(), events.hasten()
        sent = points.settled(last_point, until_s)
        return events.settled(last_event, until_s) and sent

    def close(self, timeout_s: float | None = None) -> bool:
        """Flush, then drop what is left and take nothing more; whether all was settled in time."""
        until_s = time.monotonic() + (self._settings.exit_flush_s if timeout_s is None else timeout_s)
        settled = self._flushed(until_s)
        senders = (self._points, self._events)
        for sender in senders:
            sender.close()
        until_s = max(until_s, time.monotonic() + GRACE_S)
        for sender in senders:
            sender.join(until_s)
        _open.discard(self)
        return settled

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    async def flush_async(self, timeout_s: float = 5.0) -> bool:
        """As `flush`, while the loop goes on."""
        return await asyncio.to_thread(self.flush, timeout_s)

    async def close_async(self, timeout_s: float | None = None) -> bool:
        """As `close`, while the loop goes on."""
        return await asyncio.to_thread(self.close, timeout_s)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close_async()

    def _reborn(self) -> None:
        for sender in (self._points, self._events):
            sender.reborn()


_open: set[Telemetry] = set()
"""Clients that are not closed: the end of the process flushes them."""


def _close_all() -> None:
    for telemetry in list(_open):
        telemetry.close()


def _reborn_all() -> None:
    for telemetry in list(_open):
        telemetry._reborn()  # noqa: SLF001  ours


atexit.register(_close_all)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_reborn_all)
