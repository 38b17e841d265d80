"""Whatever vanishes between a gateway and a worker is in the ledger, message by message, and nothing else is."""

from collections import Counter
from typing import NamedTuple

from hypothesis import given
from hypothesis import strategies as st

from services.aggregator.adapters.stream import PointFold
from services.aggregator.domain.repeats import Repeats
from services.gateway.intake.publish.point_batches import PointBatches
from shared.ledger.entries import LOST, NOBODY
from shared.stream.processor import Key, Record, Stored
from shared.wire import envelope

NOW = 1_760_000_000_000
PARTITIONS = 2


class Flush(NamedTuple):
    """A tick of a gateway into each partition."""

    gateway: int
    begins: bool
    """Its Kafka producer failed before, so that it has a new one."""
    vanish: int
    """Bit p: what it sends to partition p never reaches a worker."""
    crash: bool
    """The worker is followed by another one that starts from its last commit."""


flushes = st.lists(
    st.builds(Flush, st.integers(0, 2), st.booleans(), st.integers(0, 3), st.booleans()), max_size=25
)


@given(flushes)
def test_the_ledger_counts_what_vanished_between_two_messages_of_a_producer(sent: list[Flush]) -> None:
    """Also across restarts; what came before the first or after the last of a producer nobody can miss."""
    gateways: dict[int, PointBatches] = {}
    arrived: list[list[bytes]] = [[] for _ in range(PARTITIONS)]
    numbers: dict[tuple[int, str], list[int]] = {}
    restarts: list[set[int]] = [set() for _ in range(PARTITIONS)]
    for at, flush in enumerate(sent):
        if flush.begins or flush.gateway not in gateways:
            gateways[flush.gateway] = PointBatches(PARTITIONS, 0.0)
        for partition, value in gateways[flush.gateway].messages([], at * 10.0, NOW)[0]:
            if flush.crash:
                restarts[partition].add(len(arrived[partition]))
            if not flush.vanish >> partition & 1:
                producer, seq = envelope.address(value) or ("", 0)
                numbers.setdefault((partition, producer), []).append(seq)
                arrived[partition].append(value)

    missing = [
        sum(max(seqs) - min(seqs) + 1 - len(seqs) for (at, _), seqs in numbers.items() if at == partition)
        for partition in range(PARTITIONS)
    ]
    assert missing == [lost(values, at) for values, at in zip(arrived, restarts, strict=True)]


def lost(values: list[bytes], restarts: set[int]) -> int:
    """What the workers of a partition say was lost."""
    key, counts = Key("points", 0), Counter[str]()
    fold = PointFold(key, Stored(1, 0, None, b"", None), {}, Repeats())
    for offset, value in enumerate(values):
        if offset in restarts:
            state = fold.checkpoint()
            counts.update({e.outcome: n for e, n in state.work.ledger.items() if e.tenant_id == NOBODY})
            fold = PointFold(
                key, Stored(1, offset, state.watermark_ms, state.seen, state.snapshot), {}, Repeats()
            )
        fold.fold(Record(offset, NOW, value))
    counts.update({e.outcome: n for e, n in fold.checkpoint().work.ledger.items() if e.tenant_id == NOBODY})
    assert set(counts) <= {LOST}
    return counts[LOST]
