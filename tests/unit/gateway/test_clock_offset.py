"""The broker's time, as append times tell it: half of a round trip bounds the error, whatever the wall clock says."""

import pytest
from aiokafka.structs import RecordMetadata, TopicPartition
from hypothesis import given
from hypothesis import strategies as st

from services.gateway.intake.domain.clock_offset import KEPT, RoundTrip, RoundTrips, broker_ms
from services.gateway.intake.publish.broker_clock import BrokerClock

T0_MS = 1_760_000_000_000
LIMIT_MS = 10_000

delays_s = st.floats(0, 5)


@given(st.floats(0, 1e6), delays_s, delays_s, st.floats(-1e4, 1e4))
def test_an_estimate_is_off_by_half_of_its_round_trip_at_most(
    sent_s: float, there_s: float, back_s: float, later_s: float
) -> None:
    """However the round trip divides into the way there and the way back. Source: RFC 5905, section 8."""
    appended_s = sent_s + there_s
    trip = RoundTrip(sent_s, appended_s + back_s, T0_MS + int(appended_s * 1000))

    error_ms = broker_ms(trip, later_s) - (T0_MS + later_s * 1000)

    assert abs(error_ms) <= trip.span_s * 500 + 1


def test_the_shortest_round_trip_of_the_last_seconds_is_believed() -> None:
    """One a second is kept, and the shortest of eight seconds; then it makes room for newer ones."""
    trips = RoundTrips()
    for second in range(KEPT + 1):
        for span_s in (0.5, 0.01 if second == 0 else 0.2, 0.4):
            trips.add(RoundTrip(second, second + span_s, T0_MS + second))
            assert trips.shortest is not None
            if 0 < second < KEPT:
                assert 0.01 == pytest.approx(trips.shortest.span_s)

    assert 0.2 == pytest.approx(trips.shortest.span_s)


class Machine:
    """A machine whose wall clock is ahead of the broker's, and its view of the broker."""

    def __init__(self, ahead_ms: int) -> None:
        self.ahead_ms = ahead_ms
        self.elapsed_s = 1_000.0
        self.clock = BrokerClock(LIMIT_MS, wall_ms=self.wall_ms, elapsed_s=lambda: self.elapsed_s)

    def wall_ms(self) -> int:
        """The time by its own clock."""
        return T0_MS + int(self.elapsed_s * 1000) + self.ahead_ms

    def send(self, took_s: float = 0.004, timestamp_type: int = 1) -> None:
        """A message that is appended halfway."""
        sent_s, self.elapsed_s = self.elapsed_s, self.elapsed_s + took_s
        appended_ms = T0_MS + int((sent_s + took_s / 2) * 1000)
        where = "topic", 0, TopicPartition("topic", 0)
        self.clock.heard(sent_s, [RecordMetadata(*where, 7, appended_ms, timestamp_type, 0)])


@pytest.mark.parametrize("ahead_ms", [0, 5_000, 15_000, 960_000, 3_660_000, -90_000])
def test_the_receive_time_is_corrected_by_the_offset(ahead_ms: int) -> None:
    """Whatever the machine's own clock says, and also after it was set. Source: issue 11, clocks."""
    machine = Machine(ahead_ms)
    machine.send()
    machine.elapsed_s += 3

    true_ms = T0_MS + int(machine.elapsed_s * 1000)
    assert 2 >= abs(machine.clock.now_ms() - true_ms)
    assert ahead_ms / 1000 == pytest.approx(machine.clock.offset_s(), abs=0.003)

    machine.ahead_ms += 60_000
    assert 2 >= abs(machine.clock.now_ms() - true_ms)


@pytest.mark.parametrize(
    ("ahead_ms", "problem"),
    [
        (9_990, None),
        (-9_990, None),
        (15_000, "the clock of this machine is 15.0 s ahead of the broker's"),
        (-90_000, "the clock of this machine is 90.0 s behind the broker's"),
    ],
)
def test_a_machine_beyond_the_limit_is_not_ready(ahead_ms: int, problem: str | None) -> None:
    """But refuses nothing, for what it stamps is right."""
    machine = Machine(ahead_ms)
    machine.send()

    assert (problem, None) == (machine.clock.unready(), machine.clock.refusal())


def test_nothing_is_taken_before_the_clock_of_the_broker_was_read() -> None:
    """A timestamp that a client made tells nothing of it. Source: Kafka, message.timestamp.type."""
    machine = Machine(15_000)
    machine.send(timestamp_type=0)

    unread = "the broker's clock has not been read yet"
    assert (unread, unread, None) == (
        machine.clock.refusal(), machine.clock.unready(), machine.clock.offset_s()
    )  # fmt: skip
    assert machine.wall_ms() == machine.clock.now_ms()
