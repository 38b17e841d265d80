"""A gap in the numbers of a gateway's messages is a loss, and stands in the ledger as one; nothing else is a gap.

Source of each rule: the three promises of the design, section 6; `faults.md`, "topic deleted, made again".
"""

from dataclasses import dataclass, field

import numpy as np
import pytest

from services.aggregator.adapters.stream import PointFold
from services.aggregator.domain.repeats import Repeats
from shared.errors import Rejected
from shared.ledger.accounts import Account
from shared.ledger.entries import LOST, NOBODY, Entry, minute_of
from shared.model.point import Points
from shared.model.series import Series
from shared.stream.processor import Key, Record, Stored
from shared.wire import envelope
from shared.wire.series import pack

NOW = 1_760_000_000_000
KEY = Key("points", 3)
GATEWAY = "0123456789abcdef"


@dataclass
class Log:
    """A partition and its fold; every message is a point."""

    fold: PointFold = field(
        default_factory=lambda: PointFold(KEY, Stored(1, 0, None, b"", None), {}, Repeats())
    )
    offset: int = 0

    def take(self, producer: str, *numbers: int) -> None:
        """Fold messages with these numbers."""
        for seq in numbers:
            self._take(message(producer, seq))

    def refuse(self, producer: str, seq: int) -> None:
        """A message that cannot be used."""
        with pytest.raises(Rejected):
            self._take(message(producer, seq).replace(b"\xa6series", b"\xa6Xeries"))

    def _take(self, value: bytes) -> None:
        self.offset += 1
        self.fold.fold(Record(self.offset - 1, NOW, value))

    def restart(self) -> None:
        """Commit; a successor goes on."""
        state = self.fold.checkpoint()
        stored = Stored(2, self.offset, state.watermark_ms, state.seen, state.snapshot)
        self.fold = PointFold(KEY, stored, {}, Repeats())

    def skip(self, records: int) -> None:
        """So many records are gone, and are accounted for."""
        self.fold.pass_gap()
        self.offset += records

    @property
    def lost(self) -> int:
        """What the ledger says was lost, since the previous commit."""
        return self.fold.checkpoint().work.ledger[Entry(minute_of(NOW), NOBODY, LOST)]


def message(producer: str, seq: int) -> bytes:
    """A message with a point, of which its gateway says nothing."""
    points = Points(np.zeros(1, np.uint16), np.full(1, NOW), np.ones(1))
    return envelope.encode(
        envelope.PointBatch(producer, seq, NOW, [pack(Series(1, "m", "gauge", "", ()))], points, [])
    )


@pytest.mark.parametrize(
    ("numbers", "lost"),
    [
        pytest.param((1, 2, 3), 0, id="none missing"),
        pytest.param((1, 3), 1, id="one"),
        pytest.param((1, 4, 5, 9), 5, id="several gaps"),
        pytest.param((7, 8), 0, id="a producer met in the middle"),
        pytest.param((1, 2, 2, 1, 3), 0, id="repeats"),
        pytest.param((5, 3, 4, 6), 0, id="numbers below the highest are repeats"),
    ],
)
def test_a_gap_in_the_numbers_of_a_gateway_is_lost(numbers: tuple[int, ...], lost: int) -> None:
    """As many messages as there are numbers missing, once."""
    log = Log()
    log.take(GATEWAY, *numbers)

    assert (lost, lost) == (log.fold.state.lost, log.lost)


def test_a_loss_makes_the_ledger_differ() -> None:
    """By so many messages: their rows are on neither side, for nobody knows them."""
    log = Log()
    log.take(GATEWAY, 1, 4)

    found = {entry.outcome: number for entry, number in log.fold.checkpoint().work.ledger.items()}

    assert (2, -2) == (Account(found).of(LOST), Account(found).difference)


@pytest.mark.parametrize(
    "producer", ["ingest:3", "funnels:0", "ledger:aggregator-a-1", f"replay:{GATEWAY}/7"]
)
def test_producers_with_a_colon_have_gaps_of_their_own(producer: str) -> None:
    """Offsets of another topic, instants, or one number for ever: nothing is missing between two of them."""
    log = Log()
    log.take(producer, 1, 5, 1_000_000)

    assert 0 == log.lost


def test_each_life_of_a_producer_is_counted_by_itself() -> None:
    """Two gateways in turn, one of which is replaced by a new one that begins at 1."""
    log = Log()
    for producer, seq in (("a", 1), ("b", 40), ("a", 2), ("b", 42), ("c", 1), ("a", 3), ("c", 2)):
        log.take(producer, seq)

    assert 1 == log.lost


def test_a_gap_across_a_restart_is_lost() -> None:
    """The checkpoint keeps the highest number of each producer."""
    log = Log()
    log.take(GATEWAY, 1, 2)
    log.restart()
    log.take(GATEWAY, 5)

    assert 2 == log.lost


def test_a_dead_letter_is_not_lost() -> None:
    """It is in the ledger as a dead letter, whichever worker meets its successor."""
    log = Log()
    log.take(GATEWAY, 1)
    log.refuse(GATEWAY, 2)
    log.refuse(GATEWAY, 3)
    log.restart()
    log.refuse(GATEWAY, 4)
    log.take(GATEWAY, 5)

    assert 0 == log.lost


def test_a_dead_letter_with_a_number_from_nowhere_is_not_believed() -> None:
    """Else all that its producer sends afterwards would be repeats."""
    log = Log()
    log.take(GATEWAY, 1)
    log.refuse(GATEWAY, 1 << 60)
    log.take(GATEWAY, 2)

    assert (0, 2) == (log.lost, log.fold.state.seen[GATEWAY][0])


@pytest.mark.parametrize("restarts", ["never", "before", "after"])
def test_what_is_known_to_be_gone_is_not_counted_once_more(restarts: str) -> None:
    """Records that retention took are counted by their offsets, whoever goes on behind them."""
    log = Log()
    log.take(GATEWAY, 1, 2)
    log.take("ingest:0", 17)
    if restarts == "before":
        log.restart()
    log.skip(3)
    if restarts == "after":
        log.restart()
    log.take(GATEWAY, 6, 8)
    log.take("ingest:0", 17)

    assert (1, 1) == (log.lost, log.fold.state.duplicates)


def test_a_producer_that_was_forgotten_may_have_begun_anywhere() -> None:
    """What made room for others is unknown again."""
    log = Log()
    log.fold.state.max_producers = 1
    log.take("a", 1)
    log.take("b", 1)
    log.fold.checkpoint()
    log.take("a", 9)
    log.take("b", 9)

    assert 7 == log.fold.state.lost
