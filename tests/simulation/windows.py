"""The aggregator as a world runs it: its own fold, snapshots and messages on tables in memory.

Milliseconds UTC. A row is kept as the bits of its columns, so that equal means equal to the last one.
"""

from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Any, NamedTuple, cast

import msgspec
import numpy as np

from services.aggregator.adapters import snapshot
from services.aggregator.adapters.kafka import WindowTopic
from services.aggregator.adapters.stream import Aggregation
from services.aggregator.domain.remembered import words_of
from services.aggregator.domain.repeats import Fresh, Repeats
from services.aggregator.domain.windows.lateness import bites, revise, rows_to_revise
from services.aggregator.domain.work import RollupWork
from shared.ledger.entries import LOST
from shared.model import point
from shared.model.rollup import RAGGED, ROW_COLUMNS, SPARSE_COLUMNS, Rollups
from shared.model.series import Series
from shared.model.window import TIERS_MS
from shared.stream.processor import Key, Record
from shared.wire import envelope, rollups
from shared.wire.series import pack
from shared.wire.topics import WINDOWS
from shared.wire.versions import NEW, OLD
from tests.simulation.service import TOTALS, At, Point, Points, Row, Sent
from tests.support.simulated.kafka import MemorySender
from tests.support.simulated.store import Transaction

REVISED_ROWS = 2
"""Rows revised at once; the real tables take more, so their seams would not be seen."""

KEPT = tuple(name for name in ROW_COLUMNS if name not in {"slot", "start_ms"})
SUM = KEPT.index("sum")
REVISION = KEPT.index("revision")

NO_BATCHES = Fresh([], [], [], [])

Place = tuple[int, bytes, int]
"""A row: the length of its window, its series and its start."""


def frozen(resolution_ms: int, series: Sequence[bytes], rows: Rollups) -> dict[Place, tuple[Any, ...]]:
    """The rows by their places, in bits."""
    columns = [_bits(getattr(rows, name)) for name in KEPT]
    sparse = [_spans(rows, at, name) for at, names in RAGGED.items() for name in names]
    places = zip(rows.slot.tolist(), rows.start_ms.tolist(), strict=True)
    contents = zip(*columns, *sparse, strict=True)
    return {
        (resolution_ms, series[slot], start_ms): content
        for (slot, start_ms), content in zip(places, contents, strict=True)
    }


def _bits(column: Any) -> list[int]:
    wide = column.astype(np.int64) if column.dtype != np.float64 else column.view(np.int64)
    return cast(list[int], wide.tolist())


def _spans(rows: Rollups, at: str, name: str) -> list[bytes]:
    column, ends = getattr(rows, name), getattr(rows, at).tolist()
    return [column[begin:end].tobytes() for begin, end in pairwise(ends)]


def thawed(places: Sequence[tuple[int, int]], contents: Sequence[tuple[Any, ...]]) -> Rollups:
    """Rows again, each with the slot and start of its place."""
    columns: dict[str, Any] = {
        name: _column(name, [content[i] for content in contents]) for i, name in enumerate(KEPT)
    }
    slot, start_ms = np.array(places, np.int64).reshape(-1, 2).T
    sparse = iter(range(len(KEPT), len(KEPT) + len(SPARSE_COLUMNS)))
    for at, names in RAGGED.items():
        for name in names:
            parts = [np.frombuffer(content[i], DTYPES[name]) for i in (next(sparse),) for content in contents]
            columns[at] = np.cumsum([0, *map(len, parts)], dtype=np.int64)
            columns[name] = np.concatenate(parts) if parts else np.zeros(0, DTYPES[name])
    return Rollups(slot=slot.copy(), start_ms=start_ms.copy(), **columns)


DTYPES = {"bucket": np.int16, "weight": np.float64, "register": np.uint16, "rank": np.uint8}
FLOATS = {"count", "samples", "sum", "min", "max", "last"}


def _column(name: str, bits: list[int]) -> Any:
    column = np.array(bits, np.int64)
    return column.view(np.float64) if name in FLOATS else column != 0 if name == "estimated" else column


class NoGroups:
    """No groups are prepared in these worlds."""

    async def begin(self, conn: Transaction, stored: Mapping[Key, object]) -> None:
        """Nothing is kept."""

    def index(self) -> None:
        """No series has one."""


class MemoryTables:
    """The tables of rollups, inside the store's transaction."""

    async def save(self, conn: Transaction, works: Mapping[Key, RollupWork]) -> None:
        """Closed windows first, then the rows that late ones revise."""
        for key, work in works.items():
            await conn.statement()
            conn.put((key, LOST), (conn.get((key, LOST)) or 0) + _missing(work))
            for resolution_ms, packed in snapshot.whole(key, work, NEW):
                conn.put((key, "open", resolution_ms, ""), packed)
            for resolution_ms, closed in work.closed.items():
                _put(conn, frozen(resolution_ms, work.series, closed))
            work.revised = {resolution_ms: [] for resolution_ms in work.late}
            for resolution_ms, late in work.late.items():
                for bite in bites(late, REVISED_ROWS):
                    revised = revise(await _stored(conn, resolution_ms, work.series, bite), bite)
                    work.revised[resolution_ms].append(revised)
                    _put(conn, frozen(resolution_ms, work.series, revised))

    groups = NoGroups()

    async def disorder_bounds(self, conn: Transaction, keys: Iterable[Key]) -> dict[str, int]:
        """No topic has a bound of its own."""
        return {}

    async def collided(self, conn: Transaction) -> frozenset[bytes]:
        """No id is that of two series."""
        return frozenset()

    async def rewrite(self, conn: Transaction, kept: Mapping[Key, Mapping[int, bytes]]) -> None:
        """All is of one version here."""

    async def kept(self, conn: Transaction, keys: Iterable[Key]) -> dict[Key, dict[int, bytes]]:
        """What was last kept whole of these partitions, by resolution."""
        await conn.statement()
        wanted = [
            (key, resolution_ms, (key, "open", resolution_ms, ""))
            for key in keys
            for resolution_ms in (snapshot.TOTALS, *TIERS_MS)
        ]
        found: dict[Key, dict[int, bytes]] = {key: {} for key, *_ in wanted}
        for key, resolution_ms, place in wanted:
            if (packed := conn.get(place)) is not None:
                found[key][resolution_ms] = packed
        return found


class MemoryIds(NamedTuple):
    """The ids of a partition."""

    fresh: Fresh

    def repeats(self) -> Repeats:
        """The memory that they hold."""
        memory = Repeats()
        ids, body, _, received_s = self.fresh
        memory.restore(words_of(b"".join(ids)), np.array(body, np.uint64), np.array(received_s, np.int64))
        return memory


class MemoryBatchIds:
    """The table of batch ids, inside the store's transaction."""

    async def save(self, conn: Transaction, fresh: Mapping[Key, tuple[int, Fresh]]) -> None:
        """Add the new ones of each partition."""
        for key, (_, new) in fresh.items():
            before = conn.get((key, "batches")) or NO_BATCHES
            conn.put((key, "batches"), Fresh(*(old + more for old, more in zip(before, new, strict=True))))

    async def kept(self, conn: Transaction, keys: Iterable[Key]) -> dict[Key, MemoryIds]:
        """The memories as their checkpoints left them."""
        return {key: MemoryIds(conn.get((key, "batches")) or NO_BATCHES) for key in keys}


def _missing(work: RollupWork) -> int:
    return sum(number for entry, number in work.ledger.items() if entry.outcome == LOST)


def _put(conn: Transaction, rows: Mapping[Place, tuple[Any, ...]]) -> None:
    for place, content in rows.items():
        stored = conn.get(place)
        if stored is None or stored[REVISION] < content[REVISION]:
            conn.put(place, content)


async def _stored(
    conn: Transaction, resolution_ms: int, series: Sequence[bytes], late: Rollups
) -> Rollups | None:
    start_ms, slot = rows_to_revise(late)
    wanted = list(zip(slot.tolist(), start_ms.tolist(), strict=True))
    found = await conn.fetch([(resolution_ms, series[slot], start_ms) for slot, start_ms in wanted])
    known = [one for one in zip(wanted, found, strict=True) if one[1] is not None]
    return thawed(*zip(*known, strict=True)) if known else None


class Aggregating(Aggregation):
    """The aggregator's side of the pump, on tables and a topic in memory."""

    def __init__(self, sender: MemorySender, tables: MemoryTables) -> None:
        # In the version that carries all figures of a row over a restart.
        topic = WindowTopic(cast(Any, sender), version=NEW)
        super().__init__(cast(Any, tables), cast(Any, MemoryBatchIds()), topic, NEW)


class Windows:
    """The service as the world runs it."""

    topic = WINDOWS.name
    """Where it publishes."""
    spans_ms = TIERS_MS
    """Lengths of its windows."""

    def __init__(self) -> None:
        self._packed: dict[int, bytes] = {}

    def processor(self, sender: MemorySender) -> Aggregating:
        """A process of it."""
        return Aggregating(sender, MemoryTables())

    def encode(self, sent: Sent, points: Points) -> bytes:
        """The bytes of a message."""
        if not points:
            return envelope.tick(sent.producer, sent.seq, sent.received_at_ms)
        if sent.seq % 2:
            points = [*points, *map(_total, points[:2])]
        numbers = list(dict.fromkeys(one.series for one in points))
        columns = point.Points(
            np.array([numbers.index(one.series) for one in points], np.uint16),
            np.array([one.ts_ms for one in points], np.int64),
            np.array([one.value for one in points]),
            np.array([one.weight for one in points]),
        )
        # Of each series of running totals several streams, which only the newest version tells apart.
        streams = [one.ts_ms // 7 % 3 if one.series >= TOTALS else 0 for one in points]
        columns.stream = np.array(streams, np.uint64) if any(streams) else None
        series = [self._series(number) for number in numbers]
        batch = envelope.PointBatch(sent.producer, sent.seq, sent.received_at_ms, series, columns, [])
        return envelope.encode(batch, NEW if any(streams) else OLD)

    def restamped(self, record: Record) -> Record:
        """With the append time in the place of the gateway's."""
        try:
            fields = msgspec.msgpack.decode(record.value or b"")
        except msgspec.DecodeError:
            return record
        value = msgspec.msgpack.encode(fields | {"received_at_ms": record.appended_at_ms})
        return record._replace(value=value)

    def _series(self, number: int) -> bytes:
        if number not in self._packed:
            kind = ("cumulative", "histogram")[number % 2] if number >= TOTALS else "gauge"
            self._packed[number] = pack(Series(1, "load", kind, "", (("number", str(number)),)))
        return self._packed[number]

    def rows(self, stored: Mapping[Any, Any]) -> dict[At, tuple[float, Any]]:
        """The rows, each with its sum and all its bits."""
        numbers = {packed: number for number, packed in self._packed.items()}
        return {
            (place[0], numbers[place[1]], place[2]): (_float(content[SUM]), content)
            for place, content in stored.items()
            if len(place) == 3
        }

    def missing(self, stored: Mapping[Any, Any], key: Key) -> int | None:
        """As its ledger has it."""
        return stored.get((key, LOST), 0)

    def published(self, value: bytes) -> tuple[int, list[Row]]:
        """What a message says."""
        said = rollups.decode(value)
        numbers = {packed: number for number, packed in self._packed.items()}
        found = frozen(said.resolution_ms, said.series, said.rollups)
        return said.watermark_ms, [
            Row((place[0], numbers[place[1]], place[2]), content[REVISION], content)
            for place, content in found.items()
        ]


def _total(one: Point) -> Point:
    """A running total of the same moment: of a series, or of one of two buckets."""
    number = TOTALS + one.series
    value, weight = (float(one.ts_ms % 2), abs(one.value)) if number % 2 else (one.value, 1.0)
    return Point(number, one.ts_ms, value, weight)


def _float(bits: int) -> float:
    return float(np.int64(bits).view(np.float64))
