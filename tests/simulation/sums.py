"""The smallest service with everything a replay could get wrong: sums in windows that close, late points, repeats.

Milliseconds UTC. It shares no line with the aggregator, so that what fails here is the pump.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from shared.errors import Rejected
from shared.runtime.kafka import Message
from shared.stream.processor import Checkpoint, Cut, DeadLetter, Key, Record, Stored
from tests.simulation.service import Points, Row, Sent
from tests.support.simulated.kafka import MemorySender
from tests.support.simulated.store import Transaction

WINDOW_MS = 10_000
DISORDER_MS = 2_000
TOPIC = "sums"

At = tuple[int, int]
"""Series and start of a window."""


class State(msgspec.Struct):
    """All that a fold knows."""

    watermark_ms: int = 0
    seen: dict[str, int] = {}
    open: dict[At, float] = {}


class RollupWork(NamedTuple):
    """What is to be written."""

    closed: dict[At, float]
    late: list[tuple[At, float]]
    revised: dict[At, tuple[float, int]]


_decoder = msgspec.msgpack.Decoder(tuple[str, int, int, list[tuple[int, int, float]]])
_state = msgspec.msgpack.Decoder(State)


class SumFold:
    """One partition."""

    def __init__(self, stored: Stored) -> None:
        self._state = _state.decode(stored.snapshot) if stored.snapshot else State()
        self._closed: dict[At, float] = {}
        self._late: list[tuple[At, float]] = []

    @property
    def urgent(self) -> bool:
        """Whether a window has closed."""
        return bool(self._closed)

    @property
    def waiting_bytes(self) -> int:
        """A hundred for each row."""
        return 100 * (len(self._closed) + len(self._late))

    def fold(self, record: Record) -> None:
        """Take one message in."""
        try:
            producer, seq, _, points = _decoder.decode(record.value or b"")
        except msgspec.DecodeError as error:
            raise Rejected("bad", str(error)) from error
        state = self._state
        if seq <= state.seen.get(producer, -1):
            return
        state.seen[producer] = seq
        for series, ts_ms, value in points:
            at = series, ts_ms - ts_ms % WINDOW_MS
            if at[1] + WINDOW_MS <= state.watermark_ms:
                self._late.append((at, value))
            else:
                state.open[at] = state.open.get(at, 0.0) + value
        state.watermark_ms = max(state.watermark_ms, record.appended_at_ms - DISORDER_MS)
        for at in [at for at in state.open if at[1] + WINDOW_MS <= state.watermark_ms]:
            self._closed[at] = state.open.pop(at)

    def pass_gap(self) -> None:
        """Nothing: numbers tell it of repeats alone."""

    def checkpoint(self) -> Checkpoint[RollupWork]:
        """Hand over what was gathered."""
        work = RollupWork(self._closed, self._late, {})
        self._closed, self._late = {}, []
        return Checkpoint(work, self._state.watermark_ms, b"", msgspec.msgpack.encode(self._state))


class Summing:
    """The service's side of the pump."""

    def __init__(self, sender: MemorySender) -> None:
        self._sender = sender

    async def restore(self, conn: Any, stored: Mapping[Key, Stored]) -> dict[Key, SumFold]:
        """The folds as their checkpoints left them."""
        return {key: SumFold(at) for key, at in stored.items()}

    async def save(self, conn: Transaction, cuts: Sequence[Cut[RollupWork]]) -> None:
        """Closed windows first, then what is late."""
        for cut in cuts:
            work = cut.checkpoint.work
            await conn.statement()
            for at, total in work.closed.items():
                conn.put(at, (total, 0))
            work.revised.clear()
            places = list(dict.fromkeys(at for at, _ in work.late))
            found = dict(zip(places, await conn.fetch(places), strict=True))
            for at, value in work.late:
                total, revision = found[at] or (0.0, 0)
                found[at] = work.revised[at] = total + value, revision + 1
                conn.put(at, work.revised[at])

    async def publish(self, cuts: Sequence[Cut[RollupWork]]) -> None:
        """Closed and revised windows, then a tick."""
        await self._sender.send([message for cut in cuts for message in _messages(cut)])

    async def settled(self, cuts: Sequence[Cut[RollupWork]]) -> None:
        """Nothing."""


def _messages(cut: Cut[RollupWork]) -> Iterator[Message]:
    work = cut.checkpoint.work
    closed = [(at, total, 0) for at, total in work.closed.items()]
    revised = [(at, total, revision) for at, (total, revision) in work.revised.items()]
    for rows in (closed, revised):
        yield Message(TOPIC, cut.key.partition, msgspec.msgpack.encode((cut.checkpoint.watermark_ms, rows)))


class Sums:
    """The service as the world runs it."""

    topic = TOPIC
    """Where it publishes."""
    spans_ms = (WINDOW_MS,)
    """Lengths of its windows."""

    def processor(self, sender: MemorySender) -> Summing:
        """A process of it."""
        return Summing(sender)

    def encode(self, sent: Sent, points: Points) -> bytes:
        """The bytes of a message."""
        rows = [(one.series, one.ts_ms, one.value * one.weight) for one in points]
        return msgspec.msgpack.encode((sent.producer, sent.seq, sent.received_at_ms, rows))

    def restamped(self, record: Record) -> Record:
        """With the append time in the place of the sender's."""
        try:
            producer, seq, _, rows = _decoder.decode(record.value or b"")
        except msgspec.DecodeError:
            return record
        return record._replace(value=msgspec.msgpack.encode((producer, seq, record.appended_at_ms, rows)))

    def rows(self, stored: Mapping[Any, Any]) -> dict[tuple[int, int, int], tuple[float, Any]]:
        """Its rows: window length, series and start, with the sum and all."""
        return {
            (WINDOW_MS, *at): (row[0], row)
            for at, row in stored.items()
            if not isinstance(at, Key) and not isinstance(row, DeadLetter)
        }

    def missing(self, stored: Mapping[Any, Any], key: Key) -> int | None:
        """It does not look at numbers."""
        return None

    def published(self, value: bytes) -> tuple[int, list[Row]]:
        """What a message says: the watermark, and rows with their revisions and contents."""
        watermark_ms, rows = msgspec.msgpack.decode(value)
        return watermark_ms, [
            Row((WINDOW_MS, *at), revision, (total, revision)) for at, total, revision in rows
        ]
