"""The interface for applications: one `Telemetry` for a process.

Times are integer milliseconds UTC, spans seconds. Invariant: `point`, `event` and `funnel_step` raise at once for a
wrong argument, with its name, and never because of the network.
"""

import atexit
import os
import ssl
import time
from collections.abc import Iterable, Mapping
from types import TracebackType
from typing import Any, Final, Self, SupportsFloat, SupportsIndex
from uuid import uuid4

from tidegauge_client import checks
from tidegauge_client.clock import now_ms
from tidegauge_client.delivery.signal_sender import OnRejected, SignalSender
from tidegauge_client.delivery.transport import Address, Transport
from tidegauge_client.settings import Settings
from tidegauge_client.signal import EVENTS, POINTS, Histogram, Item, Point, Signal
from tidegauge_client.stats import Stats, total

GRACE_S = 0.2
"""Time that a thread gets to count what it drops, when the time to close is over."""


class Telemetry:
    """Sends points and events to a Tidegauge gateway from the background; safe to call from any thread."""

    def __init__(
        self,
        url: str,
        key: str,
        *,
        on_rejected: OnRejected | None = None,
        batch_items: int = 500,
        batch_after_s: float = 0.5,
        max_queue: int = 100_000,
        max_age_s: float = 300.0,
        timeout_s: float = 15.0,
        exit_flush_s: float = 5.0,
        retry_first_s: float = 0.25,
        retry_longest_s: float = 30.0,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._address: Final = Address(url, key)
        self._tls = tls
        self._on_rejected = on_rejected
        self._settings = Settings(
            batch_items=batch_items,
            batch_after_s=batch_after_s,
            max_queue=max_queue,
            max_age_s=max_age_s,
            timeout_s=timeout_s,
            exit_flush_s=exit_flush_s,
            retry_first_s=retry_first_s,
            retry_longest_s=retry_longest_s,
        )
        self._points = self._sender(POINTS)
        self._events = self._sender(EVENTS)
        _open.add(self)

    def _sender(self, signal: Signal[Item]) -> SignalSender[Item]:
        transport = Transport(self._address, self._settings.timeout_s, self._tls)
        return SignalSender(signal, transport, self._settings, self._on_rejected)

    def __repr__(self) -> str:
        return f"Telemetry({self._address.url!r}, {self.stats})"

    def point(
        self,
        name: str,
        value: SupportsFloat | SupportsIndex,
        *,
        ts_ms: int | None = None,
        labels: Mapping[str, str] | None = None,
        kind: str = "gauge",
        unit: str = "",
        weight: float = 1.0,
        distinct: str | None = None,
        start_ms: int | None = None,
    ) -> None:
        """One value at one instant: now, unless another is given.

        `distinct` counts once, however often it comes; `start_ms` says since when a running total runs.
        """
        self._points.put(
            Point(
                checks.text(name, "name"),
                checks.finite(value, "value"),
                now_ms() if ts_ms is None else checks.instant(ts_ms),
                checks.labels(labels) if labels else checks.NO_LABELS,
                kind if kind == "gauge" else checks.kind(kind),
                unit if unit == "" else checks.any_text(unit, "unit"),
                weight if weight == 1.0 else checks.weight(weight),
                distinct if distinct is None else checks.text(distinct, "distinct"),
                start_ms if start_ms is None else checks.instant(start_ms, "start_ms"),
            )
        )

    def histogram(
        self,
        name: str,
        bounds: Iterable[float],
        counts: Iterable[float],
        *,
        ts_ms: int | None = None,
        labels: Mapping[str, str] | None = None,
        kind: str = "delta",
        unit: str = "",
        weight: float = 1.0,
        start_ms: int | None = None,
    ) -> None:
        """How many values lay in each bucket, since the histogram before or, of kind cumulative, since `start_ms`.

        `bounds` are the upper ends of all buckets but the last, so there is one more of `counts`.
        """
        ends = checks.finite_list(bounds, "bounds")
        self._points.put(
            Point(
                checks.text(name, "name"),
                Histogram(ends, checks.counts(counts, len(ends))),
                now_ms() if ts_ms is None else checks.instant(ts_ms),
                checks.labels(labels) if labels else checks.NO_LABELS,
                checks.kind(kind),
                checks.any_text(unit, "unit"),
                checks.weight(weight),
                None,
                start_ms if start_ms is None else checks.instant(start_ms, "start_ms"),
            )
        )

    def event(
        self,
        type: str,  # noqa: A002  its name on the wire
        name: str = "",
        *,
        event_id: str | None = None,
        ts_ms: int | None = None,
        session_id: str | None = None,
        user_id: str | None = None,
        properties: Mapping[str, Any] | None = None,
    ) -> str:
        """Something happened, now unless another time is given. Returns the id under which it counts once."""
        known = str(uuid4()) if event_id is None else checks.text(event_id, "event_id")
        fields = {
            "event_id": known,
            "type": checks.text(type, "type"),
            "name": checks.any_text(name, "name") or None,
            "ts": now_ms() if ts_ms is None else checks.instant(ts_ms),
            "session_id": checks.optional_text(session_id, "session_id"),
            "user_id": checks.optional_text(user_id, "user_id"),
            "properties": None if properties is None else checks.properties(properties),
        }
        self._events.put(
            checks.packed({field: value for field, value in fields.items() if value is not None})
        )
        return known

    def funnel_step(
        self,
        step: str,
        *,
        session_id: str,
        funnel: str = "effect_creation",
        user_id: str | None = None,
        ts_ms: int | None = None,
        event_id: str | None = None,
        properties: Mapping[str, Any] | None = None,
    ) -> str:
        """A session reached a step of a funnel. Returns the event's id."""
        more = {} if properties is None else checks.properties(properties)
        return self.event(
            "funnel_step",
            checks.text(step, "step"),
            event_id=event_id,
            ts_ms=ts_ms,
            session_id=checks.text(session_id, "session_id"),
            user_id=user_id,
            properties={"funnel": checks.text(funnel, "funnel"), **more},
        )

    @property
    def stats(self) -> Stats:
        """What became of all points and events so far."""
        return total((self._points.waiting.stats(), self._events.waiting.stats()))

    def flush(self, timeout_s: float = 5.0) -> bool:
        """Send what waits now without waiting for company; whether all of it was settled in time."""
        return self._flushed(time.monotonic() + timeout_s)

    def _flushed(self, until_s: float) -> bool:
        points, events = self._points.waiting, self._events.waiting
        last_point, last_event = points.hasten(), events.hasten()
        sent = points.reached(last_point, until_s)
        return events.reached(last_event, until_s) and sent

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
