"""Windows on their topic: as few messages as fit, none too large, no row lost."""

import msgspec
import numpy as np

from services.aggregator.adapters.kafka import WindowTopic
from services.aggregator.domain.cells import Cells
from services.aggregator.domain.windows import rollups_of
from services.aggregator.ports import LiveWindow
from shared.model.point import Points
from shared.runtime.kafka import Message
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
    cells.fold(slot, Points(slot, np.zeros(len(slot), np.int64), np.tile(values, SERIES)))
    series = [msgspec.msgpack.encode((i, "x" * 3000)) for i in range(SERIES)]
    window = LiveWindow(0, 0, 1, 1, series, rollups_of(0, cells, 1))

    await WindowTopic(outbox).show([window])  # type: ignore[arg-type]

    packed = [message.value for message in outbox.sent]
    named = [name for value in packed for name in rollups.decode(value).series]
    assert max(map(len, packed)) < MAX_MESSAGE_BYTES
    assert len(packed) < sum(map(len, packed)) / 200_000
    assert named == series
