"""Windows on their topic: as few messages as fit, none too large, no row lost, and a tick after each cut."""

import msgspec
import numpy as np

from services.aggregator.adapters.kafka import WindowTopic
from services.aggregator.domain.windows.cells import Cells
from services.aggregator.domain.windows.entries import Entries
from services.aggregator.domain.windows.open_windows import rollups_of
from services.aggregator.domain.work import RollupWork
from services.aggregator.ports import LiveWindow
from shared.model.window import BASE_MS
from shared.runtime.kafka import Message
from shared.stream.processor import Checkpoint, Cut, Key
from shared.wire import rollups
from shared.wire.topics import MAX_MESSAGE_BYTES

SERIES = 1500


class Outbox:
    """Keeps what it is asked to send."""

    def __init__(self) -> None:
        self.sent: list[Message] = []

    async def send(self, messages: list[Message]) -> None:
        """Keep the messages."""
        self.sent += messages


async def test_wide_sketches_and_long_names_are_split_by_size() -> None:
    """A thousand rows of a megabyte each way would be refused by the broker for ever, so size decides, not rows."""
    cells, outbox = Cells(SERIES), Outbox()
    values = np.geomspace(1e-9, 1e9, 300)
    slot = np.repeat(np.arange(SERIES), len(values))
    cells.fold(slot, Entries(slot, np.zeros(len(slot), np.int64), np.tile(values, SERIES)))
    series = [msgspec.msgpack.encode((i, "x" * 3000)) for i in range(SERIES)]
    window = LiveWindow(0, 0, 1, 1, series, rollups_of(0, cells, 1))

    await WindowTopic(outbox).show([window])  # type: ignore[arg-type]

    packed = [message.value for message in outbox.sent]
    named = [name for value in packed for name in rollups.decode(value).series]
    assert max(map(len, packed)) < MAX_MESSAGE_BYTES
    assert len(packed) < sum(map(len, packed)) / 200_000
    assert named == series


async def test_a_tick_follows_the_windows_of_each_cut() -> None:
    """Its watermark says that all windows that end by then have been published, even when there are none."""
    cells, outbox = Cells(1), Outbox()
    cells.fold(np.zeros(1, np.intp), Entries(np.zeros(1, np.intp), np.zeros(1, np.int64), np.ones(1)))
    closed = RollupWork([b"\x01"], [], {BASE_MS: rollups_of(0, cells, 1)}, {}, None, {}, {})
    silent = RollupWork([], [], {}, {}, None, {}, {})
    works = [(0, closed, 20_000), (1, silent, 30_000), (2, silent, None)]
    cuts = [Cut(Key("m", part), 1, 0, 7, Checkpoint(work, mark, b"", None)) for part, work, mark in works]

    await WindowTopic(outbox).publish(cuts)  # type: ignore[arg-type]

    sent = [rollups.decode(message.value) for message in outbox.sent]
    assert [(0, 1, 20_000), (0, 0, 20_000), (1, 0, 30_000)] == [
        (windows.partition, len(windows.rollups), windows.watermark_ms) for windows in sent
    ]
