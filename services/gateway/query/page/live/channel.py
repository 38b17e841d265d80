"""All who ask the same of one tenant: one evaluation and one encoding, however many they are.

Times are milliseconds UTC, spans seconds. It asks again when something has come, once a second at most, and tells what
has changed. A second without anything it looks whether its status has. Nothing is kept but the last answer.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import orjson

from services.gateway.query.page.live.changes import cut, is_empty
from services.gateway.query.page.live.freshness import Freshness
from services.gateway.query.page.live.subscriber import Frame, Subscriber
from services.gateway.query.questions.http import dumped
from shared.runtime.clock import monotonic_s, now_ms

FRAME_S = 1.0
"""Least time between two frames."""

Ask = Callable[[int], Awaitable[Mapping[str, Any]]]
"""Asks as of an instant; gives the body of `/v1/query`, arrays in it numpy's."""


class Channel:
    """One set of questions of one tenant; `numbered` says which alert transition came last."""

    def __init__(
        self, ask: Ask, freshness: Freshness, turns: asyncio.Semaphore, numbered: Callable[[], int]
    ) -> None:
        self.subscribers: set[Subscriber] = set()
        self.frames = 0
        """Frames and snapshots that were encoded."""
        self.dropped = 0
        """Those that had to go out of a slot."""
        self._ask = ask
        self._freshness = freshness
        self._turns = turns
        self._numbered = numbered
        self._woken = asyncio.Event()
        self._changed = True
        self._shown: Mapping[str, Any] | None = None
        self._whole: bytes | None = None
        self._said: tuple[Any, ...] = ()

    def join(self, subscriber: Subscriber) -> None:
        """One more asks; it is told everything at once if it is known."""
        self.subscribers.add(subscriber)
        if self._shown is None:
            self._woken.set()
        else:
            subscriber.offer(self._snapshot(self._shown))

    def wake(self, *, changed: bool = True) -> None:
        """Rows have come; not `changed`: something else is to be told."""
        self._changed |= changed
        self._woken.set()

    async def run(self) -> None:
        """Tell for ever."""
        while True:
            try:
                async with asyncio.timeout(FRAME_S):
                    await self._woken.wait()
            except TimeoutError:
                pass
            self._woken.clear()
            began_s = monotonic_s()
            if await self.publish():
                await asyncio.sleep(max(0.0, began_s + FRAME_S - monotonic_s()))

    async def publish(self) -> bool:
        """Ask again where something has come, and tell what is new; whether anything is."""
        before = self._shown
        if self._changed or before is None:
            self._changed = False
            async with self._turns:
                self._shown, self._whole = await self._ask(now_ms()), None
            # What is refused now, such as a metric that is new, may be answered without another record.
            self._changed |= any("error" in one for one in self._shown["results"])
        shown = self._shown
        assert shown is not None  # noqa: S101 - for the types
        head = self._head()
        said = (head["status"], head["complete_until_ms"], shown["live"], self._numbered())
        if shown is before and said == self._said:
            return False
        changes = None if before is None else cut(before["results"], shown["results"])
        if changes is not None and is_empty(changes) and said == self._said:
            return False
        self._said = said
        self._offer(
            shown, None if changes is None else self._frame("frame", dumped({**shown, "results": changes}))
        )
        return True

    def _offer(self, shown: Mapping[str, Any], frame: Frame | None) -> None:
        """The frame to those who have been told all before it, everything to the others."""
        for each in self.subscribers:
            whole = frame is None or each.missed or each.slot is not None
            self.dropped += not each.offer(self._snapshot(shown) if whole or frame is None else frame)

    def _snapshot(self, shown: Mapping[str, Any]) -> Frame:
        if self._whole is None:
            self._whole = dumped(shown)
        return self._frame("snapshot", self._whole)

    def _frame(self, event: str, answer: bytes) -> Frame:
        self.frames += 1
        data = orjson.dumps(self._head())[:-1] + b',"answer":' + answer
        # Who comes back with this id has seen all alerts up to now.
        named = b"id: %d\n" % (now_ms() * 1000) if event == "snapshot" else b""
        return Frame(event, data, b'%bevent: %b\ndata: %b,"alerts":[]}\n\n' % (named, event.encode(), data))

    def _head(self) -> dict[str, Any]:
        now = now_ms()
        return {
            "now_ms": now,
            "complete_until_ms": self._freshness.complete_until_ms,
            "behind_ms": self._freshness.behind_ms(now),
            "status": self._freshness.status(now),
        }
