"""The live streams of this process: who has one open, within which limits, and who asks the same.

Times are milliseconds UTC, spans seconds. Records of the feed wake all channels; alert transitions are looked for once
a second while anybody listens. Invariant: at most `MAX_SUBSCRIBERS` streams are open, and `MAX_OF_KEY` of one key.
"""

import asyncio
from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import structlog
from opentelemetry.metrics import Meter, Observation

from services.gateway.http.problems import Problem
from services.gateway.query.page.live.alerts import AlertFeed
from services.gateway.query.page.live.channel import Ask, Channel
from services.gateway.query.page.live.freshness import Freshness
from services.gateway.query.page.live.subscriber import Bye, Subscriber
from shared.errors import Unavailable
from shared.model.bound import Bound
from shared.runtime.clock import now_ms
from shared.runtime.instruments import Count, observe_counts
from shared.runtime.lifecycle import background
from shared.runtime.retry import spread

MAX_SUBSCRIBERS = 500
"""Streams of a process."""

MAX_OF_KEY = 20
"""Streams of one key."""

AT_ONCE = 2
"""Channels that ask at once: the other questions of the process go on beside them."""

LOOK_S = 1.0
"""Time between two looks for alert transitions."""

AGAIN_S = 5
"""When who found no room may come again."""

RESTART_S = 5.0
"""Within this, spread at random, clients come back after a restart."""

CUT_S = 1.0
"""How long a stream may take to say why it ends."""

_log = structlog.get_logger(__name__)


class Asked(NamedTuple):
    """What a stream is of: who asks the same shares a channel."""

    tenant_id: int
    body: bytes
    """As it was asked."""
    ask: Ask


class Hub:
    """Knows all open streams; `watermark_ms` says up to where windows have been published as closed."""

    def __init__(self, alerts: AlertFeed, watermark_ms: Callable[[], int]) -> None:
        self.alerts = alerts
        self.closed: Counter[str] = Counter()
        """Streams that have ended, by why."""
        self._watermark_ms = watermark_ms
        self._freshness = Freshness()
        self._turns = asyncio.Semaphore(AT_ONCE)
        self._channels: dict[tuple[int, bytes], tuple[Channel, asyncio.Task[None]]] = {}
        self._of_key: Counter[bytes] = Counter()
        self._refused = self._frames = self._dropped = 0
        self._stopping = False

    def join(self, asked: Asked, subscriber: Subscriber) -> None:
        """One more stream; raise `Problem` where there is no room."""
        key_hash, named = subscriber.key_hash, (asked.tenant_id, asked.body)
        if self._stopping:
            raise Problem(503, "unavailable", "this process is stopping", 1, "not_accepted")
        if self._of_key.total() >= MAX_SUBSCRIBERS or self._of_key[key_hash] >= MAX_OF_KEY:
            self._refused += 1
            raise Problem(429, "too_many_streams", "as many live streams are open as may be", AGAIN_S)
        self._of_key[key_hash] += 1
        known = self._channels.get(named)
        if known is None:
            numbered = partial(self.alerts.position, asked.tenant_id)
            channel = Channel(asked.ask, self._freshness, self._turns, numbered)
            known = self._channels[named] = channel, background(channel.run(), "live channel")
        known[0].join(subscriber)

    def leave(self, asked: Asked, subscriber: Subscriber) -> None:
        """A stream has ended."""
        self.closed[subscriber.bye.reason if subscriber.bye else "left"] += 1
        self._of_key[subscriber.key_hash] -= 1
        if not self._of_key[subscriber.key_hash]:
            del self._of_key[subscriber.key_hash]
        named = asked.tenant_id, asked.body
        channel, task = self._channels[named]
        channel.subscribers.discard(subscriber)
        if not channel.subscribers:
            del self._channels[named]
            self._frames, self._dropped = self._frames + channel.frames, self._dropped + channel.dropped
            task.cancel()

    def arrived(self) -> None:
        """Records of windows have come."""
        self._freshness.note(self._watermark_ms(), now_ms())
        for channel, _ in self._channels.values():
            channel.wake()

    async def watch(self) -> None:
        """Look for alert transitions for ever."""
        while True:
            tenants = {tenant_id for tenant_id, _ in self._channels}
            if tenants:
                try:
                    new = await self.alerts.check(tenants)
                except Unavailable as problem:
                    _log.warning("alert transitions cannot be read", problem=str(problem))
                    new = set()
                for (tenant_id, _), (channel, _) in self._channels.items():
                    if tenant_id in new:
                        channel.wake(changed=False)
            await asyncio.sleep(LOOK_S)

    def stop(self) -> None:
        """All streams say that they end, and when to come back; those that cannot are cut off."""
        self._stopping = True
        for channel, _ in self._channels.values():
            for each in list(channel.subscribers):
                each.end(Bye("restart", int(spread(RESTART_S) * 1000)))
                asyncio.get_running_loop().call_later(CUT_S, each.abort)

    def figures(self) -> dict[str, int]:
        """How many streams are open, and how many may be."""
        return {"open": self._of_key.total(), "limit": MAX_SUBSCRIBERS}

    def bounds(self) -> tuple[Bound, ...]:
        """What it may hold."""
        return (Bound("live_streams", "entries", MAX_SUBSCRIBERS, self._of_key.total, lambda: self._refused),)

    def show(self, meter: Meter) -> None:
        """Give it its instruments."""

        def counted(ended: int, name: str) -> int:
            return ended + sum(int(getattr(channel, name)) for channel, _ in self._channels.values())

        counts = [
            Count(
                "gateway_live_frames",
                "Frames and snapshots that were encoded",
                lambda: counted(self._frames, "frames"),
            ),
            Count(
                "gateway_live_dropped",
                "Frames that a newer one replaced",
                lambda: counted(self._dropped, "dropped"),
            ),
        ]
        meter.create_observable_counter(
            "gateway_live_closed",
            [lambda _: [Observation(count, {"reason": reason}) for reason, count in self.closed.items()]],
            description="Streams that have ended, by why",
        )
        observe_counts(meter, counts)
