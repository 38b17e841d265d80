"""Bounds are shown to whoever asks, and dead letters weigh in what waits for a commit."""

import urllib.request

import pytest

from shared.errors import Misconfigured, Rejected
from shared.model.bound import Bound
from shared.runtime import instruments
from shared.stream.containment.breaker import Breaker
from shared.stream.owned import DEAD_LETTER_BYTES, OwnedPartition
from shared.stream.processor import Checkpoint, Key, Record
from shared.stream.pump import MAX_WAITING_BYTES, Pump
from tests.support.http.gateway import free_port

LETTERS = 64
KEY = Key("topic", 0)


class Refuses:
    """A fold that can use nothing."""

    urgent = False
    waiting_bytes = 0

    def fold(self, record: Record) -> None:
        """Refuse it."""
        raise Rejected("bad", "as always")

    def pass_over(self, record: Record) -> None:
        """Nothing."""

    def pass_gap(self) -> None:
        """Nothing."""

    def checkpoint(self) -> Checkpoint[None]:
        """Nothing was gathered."""
        return Checkpoint(None, None, b"", None)


@pytest.mark.parametrize(
    ("letters", "full"),
    [
        pytest.param(LETTERS - 1, False, id="below"),
        pytest.param(LETTERS, False, id="at"),
        pytest.param(LETTERS + 1, True, id="above"),
    ],
)
def test_the_pump_is_full_of_dead_letters_too(letters: int, full: bool) -> None:
    """Large records that cannot be used wait for a commit like everything else."""
    pump: Pump[None] = Pump(None, None, None)  # type: ignore[arg-type]  # nothing is committed here
    pump.install({KEY: OwnedPartition(KEY, 1, Refuses(), 0, 0, Breaker(0))})
    value = bytes(MAX_WAITING_BYTES // LETTERS - DEAD_LETTER_BYTES)
    (bound,) = pump.bounds()

    pump.take(KEY, [Record(offset, 0, value) for offset in range(letters)])

    assert (full, letters * MAX_WAITING_BYTES // LETTERS) == (pump.full, bound.used())


def test_prometheus_sees_every_bound() -> None:
    """What it holds, what it may hold and what had no room, under its name."""
    port = free_port()
    bound = Bound("pigeons", "entries", 12, lambda: 7, lambda: 3)

    instruments.serve("test", "127.0.0.1", port, [bound])
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as answer:
        text = answer.read().decode()

    shown = {line.split("{")[0]: line.split()[-1] for line in text.splitlines() if 'bound="pigeons"' in line}
    assert {"bound_used": "7.0", "bound_limit": "12.0", "bound_evicted_total": "3.0"} == shown


def test_prometheus_sees_every_count() -> None:
    """Under its own name."""
    port = free_port()

    count = instruments.Count("pigeons", "Pigeons that flew by", lambda: 7)

    instruments.serve("test", "127.0.0.1", port, [], [count])
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as answer:
        text = answer.read().decode()

    (shown,) = [line for line in text.splitlines() if line.startswith("pigeons_total")]
    assert "7.0" == shown.split()[-1]


def test_a_port_in_use_is_named() -> None:
    """The process does not start without what it was asked for."""
    port = free_port()
    instruments.serve("test", "127.0.0.1", port, [])

    with pytest.raises(Misconfigured, match=f"metrics_port {port}"):
        instruments.serve("test", "127.0.0.1", port, [])


def test_port_0_listens_nowhere() -> None:
    """The default."""
    instruments.serve("test", "an address that does not exist", 0, [])
