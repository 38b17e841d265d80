"""Whoever interrupts the client, at whatever line, and reports in turn: nothing is lost, twice or stuck.

A signal handler, a finaliser and a hook of a debugger all run in the midst of a call, on the same thread. Here a trace
function plays them: it interrupts at one line after the other of the client's own code.
"""

import signal
import sys
import threading
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any, Self

import pytest

import tidegauge_client
from tests.support.http.receiver import Receiver
from tests.support.wait import until
from tidegauge_client import Telemetry

Make = Callable[..., Telemetry]
Call = Callable[[Telemetry], object]
OURS = str(Path(tidegauge_client.__file__).parent)


class Interruption:
    """Calls the client once, at the n-th line of its code that runs on this thread."""

    def __init__(self, at: int, interrupt: Callable[[], object]) -> None:
        self._left, self._interrupt = at, interrupt
        self.happened = False

    def __enter__(self) -> Self:
        self._before = sys.gettrace()  # that of a measurement of coverage, say
        sys.settrace(self._enter)
        return self

    def __exit__(self, *_: object) -> None:
        sys.settrace(self._before)

    def _enter(self, frame: Any, _: str, __: Any) -> Any:
        return self._line if frame.f_code.co_filename.startswith(OURS) else None

    def _line(self, _: Any, what: str, __: Any) -> Any:
        if what == "line" and not self.happened:
            self._left -= 1
            if self._left < 0:
                self.happened = True
                sys.settrace(None)
                self._interrupt()
        return self._line


CALLS = [
    pytest.param(lambda client: client.point("a", 1), 1, id="point"),
    pytest.param(lambda client: client.increment("a", labels={"b": "c"}), 1, id="increment"),
    pytest.param(lambda client: [client.point("a", n) for n in range(4)], 4, id="more than the queue holds"),
    pytest.param(lambda client: (client.point("a", 1), client.flush(30)), 1, id="flush"),
    pytest.param(lambda client: (client.point("a", 1), client.stats), 1, id="stats"),
    pytest.param(lambda client: (client.point("a", 1), client.close(30)), 1, id="close"),
]
"""What an application calls, and how many points of its own that makes."""


# An interruption between the opening of a listing and its use leaves it to the collector.
@pytest.mark.filterwarnings("ignore:unclosed scandir iterator:ResourceWarning")
@pytest.mark.parametrize(("call", "own"), CALLS)
@pytest.mark.parametrize("interrupt", ["point", "flush", "point, with a spool", "save, with a spool"])
def test_an_interruption_at_any_line_loses_nothing(
    client: Make, receiver: Receiver, tmp_path: Path, call: Call, own: int, interrupt: str
) -> None:
    """Neither the point that was interrupted nor that of the interruption, and no lock stays taken."""
    at, happened = 0, True
    while happened:
        spool = tmp_path / str(at) if "spool" in interrupt else None
        telemetry = client(batch_items=2, max_queue=2, spool=spool)

        def report(telemetry: Telemetry = telemetry) -> None:
            telemetry.point("of.the.interruption", 1)
            if interrupt == "flush":
                telemetry.flush(0.0)
            if interrupt.startswith("save"):
                telemetry.save(0.0)

        with Interruption(at, report) as interruption:
            call(telemetry)
        happened = interruption.happened
        telemetry.close(30)
        stats = telemetry.stats
        expected = own + happened
        # What an interruption of `close` hands over may be left in the spool.
        assert (stats.stored, expected) == (
            stats.queued, stats.sent + sum(stats.dropped.values()) + stats.stored,
        ), (at, stats)  # fmt: skip
        assert stats.sent == sum(len(request.items) for request in receiver.requests)
        receiver.requests.clear()
        at += 1
    assert at > 5


async def test_a_signal_handler_may_report_at_any_time(client: Make, receiver: Receiver) -> None:
    """A real one, a thousand times a second, while the main thread reports, flushes and asks: one connection."""
    telemetry = client(batch_items=50, batch_after_s=0.01)
    numbers, fired = count(), []

    def handler(*_: object) -> None:
        number = next(numbers)
        telemetry.point("of.the.handler", number)
        fired.append(number)

    previous = signal.signal(signal.SIGALRM, handler)
    signal.setitimer(signal.ITIMER_REAL, 0.0005, 0.0005)
    try:
        for value in range(20_000):
            telemetry.point("own", value)
            if value % 1000 == 0:
                assert telemetry.stats.queued >= 0
                telemetry.flush(0.001)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous)
    assert telemetry.flush(30)

    assert 20_000 + len(fired) == telemetry.stats.sent
    assert list(range(20_000)) == [each["value"] for each in receiver.points if each["name"] == "own"]
    of_handler = [each["value"] for each in receiver.points if each["name"] == "of.the.handler"]
    assert list(range(len(fired))) == sorted(of_handler)
    assert 1 == len({request.peer for request in receiver.requests})
    assert fired


async def test_a_finaliser_that_reports_in_the_clients_own_thread_is_heard(client: Make) -> None:
    """The collector may run it in the midst of anything, and so in the thread that sends."""
    telemetry = client(batch_items=10, batch_after_s=0.01)
    found: list[str] = []

    class Report:
        def __init__(self) -> None:
            self.itself = self

        def __del__(self) -> None:
            found.append(threading.current_thread().name)
            telemetry.point("of.the.finaliser", 1)

    for value in range(3000):
        Report()
        telemetry.point("own", value)

    async def collected() -> bool:
        telemetry.flush(1)
        return telemetry.stats.sent == 3000 + len(found)

    await until(collected, "all that was reported is sent")
    assert found
