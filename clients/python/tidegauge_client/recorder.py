"""What an application calls to hand something over, the same for both forms of the client.

Times are integer milliseconds UTC, spans seconds. Invariant: `point`, `event` and `funnel_step` raise at once for a
wrong argument, with its name, and never because of the network or the disk.
"""

import os
import ssl
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, SupportsFloat, SupportsIndex
from uuid import uuid4

from tidegauge_client import checks
from tidegauge_client.clock import now_ms
from tidegauge_client.delivery.backlog import Backlog
from tidegauge_client.delivery.following import OnRejected
from tidegauge_client.delivery.transport import Address
from tidegauge_client.settings import Settings, spool_settings
from tidegauge_client.signal import Histogram, Point
from tidegauge_client.stats import Stats, total
from tidegauge_client.timed import Timed


class Recorder(ABC):
    """Takes points and events; its heirs send them."""

    def __init__(
        self,
        url: str,
        key: str,
        *,
        on_rejected: OnRejected | None = None,
        spool: str | os.PathLike[str] | None = None,
        spool_bytes: int = 256 << 20,
        spool_age_s: float = 4 * 86_400.0,
        spool_fsync: bool = False,
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
        self._spool = (
            None if spool is None else spool_settings(spool, spool_bytes, spool_age_s, fsync=spool_fsync)
        )
        self._put_point, self._put_event = self._begin()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._address.url!r}, {self.stats})"

    @abstractmethod
    def _begin(self) -> tuple[Callable[[Point], None], Callable[[str], None]]:
        """Make what sends, and return what takes a point and an event."""

    @abstractmethod
    def _backlogs(self) -> Iterable[Backlog[Any]]:
        """That of points and that of events."""

    @property
    def stats(self) -> Stats:
        """What became of all points and events so far."""
        return total(backlog.stats() for backlog in self._backlogs())

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
        self._put_point(
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

    def increment(
        self,
        name: str,
        by: SupportsFloat | SupportsIndex = 1,
        *,
        labels: Mapping[str, str] | None = None,
        unit: str = "",
    ) -> None:
        """So many more have happened."""
        self.point(name, by, labels=labels, kind="delta", unit=unit)

    def timing(
        self, name: str, seconds: SupportsFloat | SupportsIndex, *, labels: Mapping[str, str] | None = None
    ) -> None:
        """Something took so many seconds."""
        self.point(name, seconds, labels=labels, kind="delta", unit="s")

    def timed(self, name: str, *, labels: Mapping[str, str] | None = None) -> Timed:
        """Times a `with` block, or each call of a function, coroutine function or generator that it decorates."""
        return Timed(lambda seconds: self.timing(name, seconds, labels=labels))

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
        self._put_point(
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
        self._put_event(checks.packed({field: value for field, value in fields.items() if value is not None}))
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
