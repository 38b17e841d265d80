"""Ticks leave out partitions that take nothing, and their numbers stay without a gap."""

from services.gateway.intake.publish.point_batches import TICK_S, PointBatches
from shared.wire import envelope

NOW = 1_760_000_000_000


def test_no_tick_and_no_number_is_spent_on_a_partition_that_takes_nothing() -> None:
    """When it is back, its first message follows the last one that it had: nothing is lost."""
    batches = PointBatches(2, 0.0)
    flushes = [
        batches.messages([], at * TICK_S, NOW, away)[0] for at, away in enumerate(((), {1}, {1}, (), ()))
    ]
    numbers = [
        {partition: (envelope.address(value) or ("", 0))[1] for partition, value in messages}
        for messages in flushes
    ]

    assert [{0: 1, 1: 1}, {0: 2}, {0: 3}, {0: 4, 1: 2}, {0: 5, 1: 3}] == numbers
    assert 5 * TICK_S == batches.due_s()
