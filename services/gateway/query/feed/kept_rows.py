"""Rows of windows of 10 s as they came: the newest frame of each open window, and what has closed of late.

Milliseconds UTC, sizes in bytes. A frame is one or several messages of one window and partition with one offset. The
frame before it is kept until it has all series of that: nobody says which message is the last. Closed rows are
published before they are committed, so they are kept for those whose look at the tables is older. Pure.
"""

from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np

from services.gateway.query.feed.readings import Message
from services.gateway.query.feed.unpacking import Kept
from shared.model.window import BASE_MS

KEPT_MS = 60_000
"""How long closed rows are kept after the next ones have come, which shows that they are committed."""

SHOW_MS = 10_000
"""Within this all messages of a frame are appended, or never."""

FRAME_MS = 120_000
"""How long a frame is shown that nobody renews: as long as its key in Redis lives."""


@dataclass(slots=True, eq=False)
class Frame:
    """An open window of a partition."""

    next_offset: int
    parts: list[Kept] = field(default_factory=list)
    before: list[Kept] = field(default_factory=list)
    """What was shown before, while it has series that have not come yet."""

    def add(self, kept: Kept) -> None:
        """One more message of it; one that came before, as an owner sends that begins there again, makes room."""
        names = kept.message.names
        self.parts = [one for one in self.parts if not np.array_equal(one.message.names, names)]
        self.parts.append(kept)
        since_ms = kept.message.appended_ms - SHOW_MS
        self.before = [one for one in self.before if one.message.appended_ms >= since_ms]
        if self.before and _series(self.parts) >= _series(self.before):
            came, wanted = (
                np.concatenate([one.message.names for one in each]) for each in (self.parts, self.before)
            )
            if np.isin(wanted, came).all():
                self.before = []

    def appended_ms(self) -> int:
        """When its newest message was appended."""
        return self.parts[-1].message.appended_ms


class KeptRows:
    """Those of all partitions."""

    def __init__(self) -> None:
        self._frames: dict[tuple[int, int], Frame] = {}
        self._closed: dict[int, deque[Kept]] = {}
        self._proven: dict[int, int] = {}
        self._forgotten: dict[int, int] = {}
        self.watermark_ms: dict[int, int] = {}
        """By partition, up to where all windows have been published as closed."""

    def take(self, message: Message) -> None:
        """Keep the rows of a message, and forget those that it makes superfluous."""
        if message.tick:
            self._tick(message)
        elif message.value and message.final:
            self._closed.setdefault(message.partition, deque()).append(Kept(message))
        elif message.value:
            self._show(message)

    def _show(self, message: Message) -> None:
        start_ms = message.starts_ms[0]
        if start_ms + BASE_MS <= self.watermark_ms.get(message.partition, 0):
            return
        key = (message.partition, start_ms)
        frame = self._frames.get(key)
        if frame is None:
            frame = self._frames[key] = Frame(message.next_offset)
        elif frame.next_offset > message.next_offset:
            if _age_ms(frame, message) < FRAME_MS:
                return  # from a process that was frozen, or one that has not come as far yet
            frame = self._frames[key] = Frame(message.next_offset)
        elif frame.next_offset < message.next_offset:
            frame = self._frames[key] = Frame(message.next_offset, before=[*frame.before, *frame.parts])
        frame.add(Kept(message))

    def _tick(self, message: Message) -> None:
        partition, mark_ms = message.partition, message.watermark_ms
        self.watermark_ms[partition] = max(mark_ms, self.watermark_ms.get(partition, mark_ms))
        for key, frame in list(self._frames.items()):
            if key[0] == partition and (
                key[1] + BASE_MS <= self.watermark_ms[partition] or _age_ms(frame, message) > FRAME_MS
            ):
                del self._frames[key]
        # All that came with lower offsets is committed, or has been published again before this tick.
        self._proven[partition] = message.next_offset
        closed = self._closed.get(partition, deque())
        while closed and self._is_over(closed[0], message):
            self._forget(closed.popleft())

    def _is_over(self, kept: Kept, tick: Message) -> bool:
        one = kept.message
        return one.next_offset < tick.next_offset and one.appended_ms + KEPT_MS < tick.appended_ms

    def _forget(self, kept: Kept) -> None:
        one = kept.message
        self._forgotten[one.partition] = max(one.next_offset, self._forgotten.get(one.partition, 0))

    def live(self, from_ms: int, to_ms: int) -> Iterator[Kept]:
        """Messages with open windows that start in [from, to)."""
        for (_, start_ms), frame in self._frames.items():
            if from_ms <= start_ms < to_ms:
                yield from frame.before
                yield from frame.parts

    def closed(self, from_ms: int, to_ms: int, as_of: Mapping[int, int] | None) -> Iterator[Kept]:
        """Messages with closed windows of the range that a look at the tables as of these offsets does not show.

        None: a look that is taken from now on.
        """
        for partition, closed in self._closed.items():
            shown = self._proven.get(partition, -1) - 1 if as_of is None else as_of.get(partition, -1)
            for kept in closed:
                first_ms, last_ms = kept.message.starts_ms
                if kept.message.next_offset > shown and first_ms < to_ms and last_ms >= from_ms:
                    yield kept

    def has_all_since(self, as_of: Mapping[int, int]) -> bool:
        """Whether nothing was forgotten that a look at the tables as of these offsets does not show."""
        return all(offset <= as_of.get(partition, -1) for partition, offset in self._forgotten.items())

    def _all(self) -> Iterator[Kept]:
        for closed in self._closed.values():
            yield from closed
        for frame in self._frames.values():
            yield from frame.before
            yield from frame.parts

    def used_bytes(self) -> int:
        """Bytes of everything, as it came and unpacked."""
        return sum(kept.bytes() for kept in self._all())

    def shrink(self, limit_bytes: int) -> int:
        """Forget what can be done without until the limit is kept; the bytes that are used then."""
        used = self.used_bytes()
        for kept in self._all():
            if used > limit_bytes:
                used -= kept.pack()
        for partition, closed in self._closed.items():
            while (
                used > limit_bytes
                and closed
                and closed[0].message.next_offset < self._proven.get(partition, -1)
            ):
                used -= closed[0].bytes()
                self._forget(closed.popleft())
        return used

    def clear(self) -> None:
        """Forget everything."""
        self._frames.clear()
        for closed in self._closed.values():
            for kept in closed:
                self._forget(kept)
            closed.clear()


def _series(parts: list[Kept]) -> int:
    return sum(len(one.message.names) for one in parts)


def _age_ms(frame: Frame, message: Message) -> int:
    return message.appended_ms - frame.appended_ms()
