"""The demo traffic, as the process that `make run` starts, against a receiver."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest

from shared.model.funnel import EFFECT_CREATION
from tests.support.receiver import Receiver, Reply, receiving
from tests.support.wait import until

MEASURED = {
    "host.cpu.utilization", "host.memory.used", "host.memory.utilization", "http.client.duration",
    "api.response_seconds",
}  # fmt: skip
"""What any machine has to say."""


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """A gateway that is not ready for the first requests."""
    with receiving() as made:
        made.answer("/v1/telemetry", Reply(503, {}), Reply(503, {}))
        yield made


@pytest.fixture
def demo(receiver: Receiver) -> Iterator[subprocess.Popen[bytes]]:
    """The running demo."""
    keys = {"TIDEGAUGE_WRITE_KEY": "w", "TIDEGAUGE_READ_KEY": "r"}
    environ = os.environ | keys | {"TIDEGAUGE_URL": receiver.url}
    with subprocess.Popen([sys.executable, "-m", "deploy.local.demo"], env=environ) as process:
        yield process
        process.kill()


async def test_the_demo_tells_of_this_machine_and_of_visitors(
    receiver: Receiver, demo: subprocess.Popen[bytes]
) -> None:
    """Figures, response times, processes and the first step of the funnel; then it ends when told."""

    async def measures() -> bool:
        return {point["name"] for point in receiver.points} >= MEASURED

    async def told() -> bool:
        return {("funnel_step", EFFECT_CREATION.steps[0]), ("process.started", "cat")} <= {
            (event["type"], event["name"]) for event in receiver.events
        }

    await until(measures, "the demo has looked at everything", 30)
    other = await asyncio.create_subprocess_exec("cat", stdin=subprocess.PIPE)
    await until(told, "the demo has told of a new process and of a visitor", 30)
    await other.communicate()
    demo.send_signal(signal.SIGTERM)

    assert 0 == demo.wait(20)
