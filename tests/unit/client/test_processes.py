"""How a client ends and forks with its process."""

import os
import subprocess
import sys
from pathlib import Path

import tidegauge_client
from tests.support.http.receiver import Receiver

BEGINNING = """
import os, sys
from tidegauge_client import Telemetry
telemetry = Telemetry(sys.argv[1], "key", batch_after_s=60.0, exit_flush_s=float(sys.argv[2]))
"""


def ran(program: str, url: str, exit_flush_s: float = 5.0) -> subprocess.CompletedProcess[str]:
    """A process that has ended."""
    path = str(Path(tidegauge_client.__file__).parents[1])
    command = [sys.executable, "-W", "error", "-c", BEGINNING + program, url, str(exit_flush_s)]
    return subprocess.run(
        command,
        env=os.environ | {"PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_the_end_of_a_process_flushes(receiver: Receiver) -> None:
    """Nobody needs to close."""
    done = ran("telemetry.point('load', 1); telemetry.event('end')", receiver.url)

    assert (0, "") == (done.returncode, done.stderr)
    assert ([1.0], ["end"]) == (
        [point["value"] for point in receiver.points],
        [event["type"] for event in receiver.events],
    )


def test_a_gateway_that_is_away_does_not_hold_a_process_up() -> None:
    """It ends within its bound, tidily."""
    done = ran("telemetry.point('load', 1)", "http://127.0.0.1:9", 0.1)

    assert 0 == done.returncode
    assert "points to be sent again: ConnectionRefusedError" in done.stderr


def test_a_crash_of_the_application_flushes(receiver: Receiver) -> None:
    """What led to an exception is what one wants to see."""
    done = ran("telemetry.event('last words'); raise SystemExit(3)", receiver.url)

    assert 3 == done.returncode
    assert ["last words"] == [event["type"] for event in receiver.events]


def test_a_forked_child_sends_its_own_only(receiver: Receiver) -> None:
    """It begins with an empty queue, a thread and a connection of its own; the parent's points come once."""
    program = """
telemetry.point("before", 1)
telemetry.flush()
telemetry.point("parent", 2)
child = os.fork()
if child == 0:
    assert telemetry.stats.queued == 0
    telemetry.point("child", 3)
    sys.exit(0)
os.waitpid(child, 0)
telemetry.point("parent", 4)
"""
    done = ran(program, receiver.url)

    assert (0, "") == (done.returncode, done.stderr)
    found = sorted((point["name"], point["value"]) for point in receiver.points)
    assert [("before", 1.0), ("child", 3.0), ("parent", 2.0), ("parent", 4.0)] == found
    peers = {point["name"]: request.peer for request in receiver.requests for point in request.items}
    assert peers["before"] == peers["parent"] != peers["child"]


def test_a_closed_client_sends_what_waited(receiver: Receiver) -> None:
    """The end of a `with` block is a flush."""
    with tidegauge_client.Telemetry(receiver.url, "key", batch_after_s=60.0) as telemetry:
        telemetry.point("load", 1)

    assert 1 == telemetry.stats.sent
    assert telemetry.flush(0.0)
    assert telemetry.close()


def test_the_parts_of_a_process_may_each_have_a_client(receiver: Receiver) -> None:
    """All of them are flushed in the end."""
    done = ran(
        "other = Telemetry(sys.argv[1], 'k2')\nfor t in (telemetry, other): t.point('load', 1)", receiver.url
    )

    assert 0 == done.returncode
    assert {"Bearer key", "Bearer k2"} == {request.headers["authorization"] for request in receiver.requests}
