"""The client for applications of asyncio: no thread, the same guarantees.

Spans are seconds. `point`, `event` and the like never wait and may be called from any thread, also before the loop
runs; what sends are tasks of the loop. Each `await` may be cancelled: what was handed over goes on, or stays in the
spool.
"""

import asyncio
import os
import time
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import Any, Self
from weakref import WeakSet

from tidegauge_client.delivery.aio.signal_sender import AsyncSignalSender
from tidegauge_client.delivery.aio.transport import AsyncTransport
from tidegauge_client.delivery.backlog import Backlog
from tidegauge_client.recorder import Recorder
from tidegauge_client.signal import EVENTS, POINTS, Item, Point, Signal


class AsyncTelemetry(Recorder):
    """Sends points and events to a Tidegauge gateway from tasks of the loop: `async with AsyncTelemetry(...)`."""

    def _begin(self) -> tuple[Callable[[Point], None], Callable[[str], None]]:
        self._points = self._sender(POINTS)
        self._events = self._sender(EVENTS)
        _made.add(self)
        return self._points.put, self._events.put

    def _sender(self, signal: Signal[Item]) -> AsyncSignalSender[Item]:
        transport = AsyncTransport(self._address, self._settings.timeout_s, self._tls)
        return AsyncSignalSender(signal, transport, self._settings, self._spool, self._on_rejected)

    def _backlogs(self) -> Iterable[Backlog[Any]]:
        return self._points.waiting, self._events.waiting

    async def save(self, timeout_s: float = 5.0) -> bool:
        """Put what waits into the spool now; whether all of it outlives this process, or was settled, in time."""
        until_s = time.monotonic() + timeout_s
        for sender in (self._points, self._events):
            sender.save_now()
        points, events = self._points.waiting, self._events.waiting
        last_point, last_event = points.hasten(sending=False), events.hasten(sending=False)
        saved = await points.saved(last_point, until_s)
        return await events.saved(last_event, until_s) and saved

    async def flush(self, timeout_s: float = 5.0) -> bool:
        """Send what waits now without waiting for company; whether all of it was settled in time."""
        until_s = time.monotonic() + timeout_s
        points, events = self._points.waiting, self._events.waiting
        last_point, last_event = points.hasten(), events.hasten()
        sent = await points.settled(last_point, until_s)
        return await events.settled(last_event, until_s) and sent

    async def close(self, timeout_s: float | None = None) -> bool:
        """Flush, then take nothing more, and leave the rest in the spool, or drop it; whether all was settled."""
        try:
            return await self.flush(self._settings.exit_flush_s if timeout_s is None else timeout_s)
        finally:
            await asyncio.gather(*self._points.stop(), *self._events.stop(), return_exceptions=True)

    async def __aenter__(self) -> Self:
        for sender in (self._points, self._events):
            sender.running()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    def _reborn(self) -> None:
        for sender in (self._points, self._events):
            sender.reborn()


_made: WeakSet[AsyncTelemetry] = WeakSet()


def _reborn_all() -> None:
    for telemetry in list(_made):
        telemetry._reborn()  # noqa: SLF001  ours


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_reborn_all)
