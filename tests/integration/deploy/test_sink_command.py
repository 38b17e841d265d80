"""`tidegauge sink` as an operator starts it, told by the alert service's own webhook receiver."""

import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import IO

import pytest

from deploy.local.folder import StateFolder
from deploy.local.ports import Ports
from services.alerts.dispatch.adapters.receivers.webhook import Webhook
from services.alerts.dispatch.ports import DELIVERED, Payload
from services.alerts.domain.transition import Transition
from shared.runtime.clock import monotonic_s
from tests.support.alerting import closed, partition, rule, tick

TIDEGAUGE = str(Path(sys.executable).with_name("tidegauge"))


@pytest.fixture
def port(tmp_path: Path) -> int:
    """A port that nobody listens on."""
    folder = StateFolder(tmp_path)
    folder.path.mkdir()
    return Ports(folder, {}).pick("sink", "NO_SUCH_VARIABLE")


@contextmanager
def sink(port: int) -> Iterator[subprocess.Popen[str]]:
    """The command, listening."""
    command = ["sh", "-c", f"trap '' INT; exec {TIDEGAUGE} sink --port {port}"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        try:
            assert f"listening on http://127.0.0.1:{port}/" in next_line(process)
            yield process
        finally:
            process.kill()


@asynccontextmanager
async def webhook(port: int) -> AsyncIterator[Webhook]:
    """The receiver that ALERTS_WEBHOOKS makes."""
    made = Webhook("sink", f"http://127.0.0.1:{port}/")
    try:
        yield made
    finally:
        await made.close()


def next_line(process: subprocess.Popen[str]) -> str:
    """The next line that it prints, without the time."""
    output: IO[str] | None = process.stdout
    assert output is not None
    return output.readline().partition("Z ")[2].rstrip()


def episode() -> tuple[Transition, ...]:
    """A window breaches, the next one is calm."""
    state = partition(rule())
    for message in (closed([(1, 1, 6.5)]), tick(2), closed([(1, 2, 1.0)], 3)):
        state.fold(message)
    return tuple(state.checkpoint().transitions)


def payload(body: bytes, key: str) -> Payload:
    """One that may be told for a minute."""
    return Payload(key, body, monotonic_s() + 60)


async def test_it_prints_what_alerts_tells(port: int) -> None:
    """FIRING and RESOLVED of one alert, and what is told twice is marked."""
    firing, resolved = episode()
    delivered = [(firing, "first-key"), (firing, "first-key"), (resolved, "second-key")]
    with sink(port) as process:
        async with webhook(port) as receiver:
            answers = [
                await receiver.deliver([payload(receiver.render(each), key)]) for each, key in delivered
            ]

        said = "Slow (critical): 6.5 s  endpoint=/1"
        assert answers == [DELIVERED] * 3
        assert [next_line(process) for _ in delivered] == [
            f"FIRING {said}  key first-ke",
            f"FIRING {said}  key first-ke (repeat)",
            f"RESOLVED {said}  key second-k",
        ]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_ends_it_without_a_trace(number: signal.Signals, port: int) -> None:
    """Exit code 0, and also where a shell has started it in the background, with SIGINT ignored."""
    with sink(port) as process:
        process.send_signal(number)

        assert process.stdout is not None
        assert process.stdout.read().strip() == "stopped"
        assert process.wait(10) == 0


def test_a_port_that_is_taken_is_named(port: int) -> None:
    """One sentence and an exit code."""
    with sink(port):
        second = subprocess.run(
            [TIDEGAUGE, "sink", "--port", str(port)],
            capture_output=True,
            text=True,
            check=False,
            timeout=30,
        )

    assert second.returncode == 1
    assert second.stderr == f"tidegauge: port {port}: Address already in use\n"
