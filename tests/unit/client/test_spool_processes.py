"""Processes that share a spool: killed, forked, many at once; what one has left another sends, once."""

import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

import tidegauge_client
from tests.support.http.receiver import Receiver, Reply
from tests.support.wait import until
from tidegauge_client import Telemetry

Start = Callable[[str], "subprocess.Popen[str]"]
AWAY = Reply(503, {"outcome": "not_accepted"})
TELEMETRY = "/v1/telemetry"

BEGINNING = """
import os, signal, sys, threading, time
from tidegauge_client import Telemetry
telemetry = Telemetry(sys.argv[1], "key", spool=sys.argv[2], batch_after_s=0.005, exit_flush_s=0.1, batch_items=50)
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where the spool is."""
    return tmp_path / "spool"


@pytest.fixture
def start(receiver: Receiver, folder: Path) -> Iterator[Start]:
    """Starts an application that has a client with a spool."""
    path = str(Path(tidegauge_client.__file__).parents[1])
    with ExitStack() as stack:

        def made(program: str) -> "subprocess.Popen[str]":
            command = [sys.executable, "-W", "error", "-c", BEGINNING + program, receiver.url, str(folder)]
            process = subprocess.Popen(
                command, env=os.environ | {"PYTHONPATH": path}, stdout=subprocess.PIPE, text=True
            )
            stack.enter_context(process)
            stack.callback(process.kill)
            return process

        yield made


async def all_sent(client: Callable[..., Telemetry], folder: Path) -> Telemetry:
    """A client that has sent what it found, and found nothing more."""
    telemetry = client(spool=folder)

    async def empty() -> bool:
        return telemetry.stats.queued == 0 and not list(folder.glob("*/*.batch"))  # noqa: ASYNC240  a few files

    await until(empty, "nothing is left in the spool")
    return telemetry


async def test_a_killed_application_loses_nothing_that_it_had_saved(
    client: Callable[..., Telemetry], receiver: Receiver, folder: Path, start: Start
) -> None:
    """While the gateway is away; the next process sends it."""
    receiver.answer(TELEMETRY, *[AWAY] * 10_000)
    process = start("""
for value in range(1000):
    telemetry.point("load", value)
assert telemetry.save(30)
os.kill(os.getpid(), signal.SIGKILL)
""")
    assert -signal.SIGKILL == process.wait(30)
    receiver.script[TELEMETRY].clear()
    receiver.requests.clear()

    telemetry = await all_sent(client, folder)

    assert list(range(1000)) == sorted(point["value"] for point in receiver.points)
    assert (1000, 1000) == (telemetry.stats.recovered, telemetry.stats.sent)


async def test_the_end_of_a_process_leaves_to_the_next_what_it_cannot_send(
    client: Callable[..., Telemetry], receiver: Receiver, folder: Path, start: Start
) -> None:
    """Without a word of the application, also from a thread of its own that goes on until the end."""
    receiver.answer(TELEMETRY, *[AWAY] * 10_000)
    process = start("""
def reporting():
    for value in range(500):
        telemetry.point("of.the.thread", value)
thread = threading.Thread(target=reporting)
thread.start()
telemetry.point("load", 1)
""")
    assert 0 == process.wait(30)
    receiver.script[TELEMETRY].clear()
    receiver.requests.clear()

    await all_sent(client, folder)

    assert {"of.the.thread": 500, "load": 1} == Counter(point["name"] for point in receiver.points)


async def test_many_processes_share_a_folder(
    client: Callable[..., Telemetry], receiver: Receiver, folder: Path, start: Start
) -> None:
    """Each batch is sent once by one of them, though they are killed while they write and others take over."""
    program = """
print("ready", flush=True)
for value in range(100_000):
    telemetry.point("load", value, labels={"pid": str(os.getpid())})
    if value % 50 == 49:
        telemetry.save(30)
        print(value + 1, flush=True)
"""
    saved: dict[str, int] = {}
    for _ in range(3):
        processes = [start(program) for _ in range(3)]
        for process in processes:
            assert process.stdout is not None
            assert "ready\n" == process.stdout.readline()
            for _ in range(20):
                saved[str(process.pid)] = int(process.stdout.readline())
        for process in processes:
            process.kill()
        for process in processes:
            out, _ = process.communicate()
            saved[str(process.pid)] = max([saved[str(process.pid)], *map(int, out.split("\n")[:-1])])

    await all_sent(client, folder)

    once = {request.batch_id: request for request in receiver.requests}
    found = Counter(
        (point["labels"]["pid"], int(point["value"])) for each in once.values() for point in each.items
    )
    assert {1} == set(found.values())
    assert {} == {
        pid: missing
        for pid, count in saved.items()
        if (missing := [value for value in range(count) if (pid, value) not in found])
    }
    # A batch whose request was under way when its process was killed comes again, under its id; no other does.
    assert len(receiver.requests) - len(once) <= 9


async def test_a_child_does_not_keep_the_folder_of_its_parent(
    client: Callable[..., Telemetry], receiver: Receiver, folder: Path, start: Start
) -> None:
    """It lives on when the parent is killed, saves in a folder of its own, and another process takes the parent's."""
    receiver.answer(TELEMETRY, *[AWAY] * 10_000)
    process = start("""
telemetry.point("parent", 1)
assert telemetry.save(30)
child = os.fork()
if child == 0:
    telemetry.point("child", 2)
    assert telemetry.save(30)
    print(os.getpid(), flush=True)
    threading.Event().wait()
os.wait()
""")
    assert process.stdout is not None
    child = int(process.stdout.readline())
    try:
        process.kill()
        process.wait()
        receiver.script[TELEMETRY].clear()
        receiver.requests.clear()
        telemetry = client(spool=folder)

        async def arrived() -> bool:
            return {"parent", "child"} == {point["name"] for point in receiver.points}

        await until(arrived, "what the parent left is sent, and the child sends its own")
        assert 1 == telemetry.stats.recovered == telemetry.stats.sent
    finally:
        os.kill(child, signal.SIGKILL)


async def test_a_disk_that_is_full_costs_the_safety_alone(receiver: Receiver, start: Start) -> None:
    """Nothing is raised, and everything arrives from memory."""
    process = start("""
import resource
resource.setrlimit(resource.RLIMIT_FSIZE, (10, 10))
for value in range(500):
    telemetry.point("load", value)
assert telemetry.flush(30)
print(telemetry.stats.sent, telemetry.stats.stored)
""")

    out, _ = process.communicate(timeout=60)

    assert ("500 0\n", 0) == (out, process.returncode)
    assert list(range(500)) == [point["value"] for point in receiver.points]
