"""The demo traffic, as the process that `make run` starts, against a receiver."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from deploy.local.demo.traffic import PROBES
from shared.model.funnel import EFFECT_CREATION
from tests.support.http.receiver import Receiver, Reply, receiving
from tests.support.wait import until

MEASURED = {
    "host.cpu.utilization", "host.memory.used", "host.memory.utilization", "http.client.duration",
    "api.response_seconds",
}  # fmt: skip
"""What any machine has to say."""


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """Who is posted to, and is not ready for the first requests."""
    with receiving() as made:
        made.answer("/v1/telemetry", Reply(503, {}), Reply(503, {}))
        yield made


@pytest.fixture
def asked() -> Iterator[Receiver]:
    """Who is asked."""
    with receiving() as made:
        yield made


@pytest.fixture
def demo(receiver: Receiver, asked: Receiver) -> Iterator[subprocess.Popen[bytes]]:
    """The running demo."""
    keys = {"TIDEGAUGE_WRITE_KEY": "w", "TIDEGAUGE_READ_KEY": "r"}
    environ = os.environ | keys | {"TIDEGAUGE_URL": receiver.url, "TIDEGAUGE_QUERY_URL": asked.url}
    with subprocess.Popen([sys.executable, "-m", "deploy.local.demo.traffic"], env=environ) as process:
        yield process
        process.kill()


@contextmanager
def another_process() -> Iterator[None]:
    """Something that begins while the demo looks."""
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE):
        yield


async def test_the_demo_tells_of_this_machine_and_of_visitors(
    receiver: Receiver, asked: Receiver, demo: subprocess.Popen[bytes]
) -> None:
    """Figures, response times, processes and the first step of the funnel; then it ends when told.

    It posts to one address and looks at the other.
    """

    async def measures() -> bool:
        return {point["name"] for point in receiver.points} >= MEASURED

    async def reported() -> bool:
        steps = {event["name"] for event in receiver.events if event["type"] == "funnel_step"}
        # Which processes it tells of depends on how many others began in that second.
        return EFFECT_CREATION.steps[0] in steps and "process.started" in {e["type"] for e in receiver.events}

    await until(measures, "the demo has looked at everything", 30)
    with another_process():
        await until(reported, "the demo has reported a new process and of a visitor", 30)
    demo.send_signal(signal.SIGTERM)

    assert 0 == demo.wait(20)
    assert ([], []) == (receiver.reads, asked.requests)
    assert set(PROBES) == set(asked.reads)
