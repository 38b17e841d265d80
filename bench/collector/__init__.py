"""The OpenTelemetry Collector as a peer: built by Go once for each content of this folder, and run beside ours.

It has one receiver (OTLP over HTTP) and one exporter (Kafka), no queue and no processor, and answers after the ack of
all replicas as ours does. All else is as it ships, but for `GOGC=400`, with which it is half as fast again. The program
lies in the user's cache.
"""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import aiohttp

from bench import stand
from bench.figure import Invalid as Invalid
from bench.figure import say
from tests.e2e.agents import programs

VERSION = "0.165.0"
"""Of the Collector and its Kafka exporter."""

HERE = Path(__file__).parent
SOURCES = ("main.go", "go.mod")

GOGC = "400"
"""How much the heap may grow before it is collected, in percent."""

CONFIG = """
receivers:
  otlp: {{protocols: {{http: {{endpoint: "127.0.0.1:{port}"}}}}}}
exporters:
  kafka:
    brokers: ["{kafka}"]
    metrics: {{topic: "{topic}"}}
    sending_queue: {{enabled: false}}
    producer: {{required_acks: -1, allow_auto_topic_creation: false}}
service:
  pipelines: {{metrics: {{receivers: [otlp], exporters: [kafka]}}}}
  telemetry: {{metrics: {{level: none}}, logs: {{level: warn}}}}
"""


class Peer:
    """The program of this folder."""

    def recipe(self) -> bytes:
        """What decides what it becomes."""
        return b"".join((HERE / name).read_bytes() for name in SOURCES)

    def build(self, output: Path) -> None:
        """Build it to a path; raise `Misconfigured`."""
        with tempfile.TemporaryDirectory() as name:
            for source in SOURCES:
                shutil.copy(HERE / source, name)
            # `-mod=mod`: the versions of all else are the lowest that these allow, so that a list of them adds nothing.
            programs.run("go", "build", "-mod=mod", "-o", str(output), ".", at=Path(name))


def program() -> Path:
    """Where it is; built when these sources were not built before, which takes minutes. Raises `Misconfigured`."""
    return programs.built("collector", Peer(), say)


@contextmanager
def started(room: stand.Room, topic: str) -> Iterator[tuple[stand.Process, int]]:
    """The Collector, which writes to this topic, and the port it listens on."""
    port = stand.free_port()
    config = room.folder / "collector.yaml"
    config.write_text(CONFIG.format(port=port, kafka=room.stack.kafka, topic=topic))
    command = [str(program()), "--config", f"file:{config}"]
    with stand.running("collector", command, room.folder, {"GOGC": GOGC}) as process:
        yield process, port


async def until_ready(process: stand.Process, port: int) -> None:
    """Wait until it takes an empty export request."""
    async with aiohttp.ClientSession() as session:

        async def taken() -> bool:
            headers = {"Content-Type": "application/x-protobuf"}
            try:
                async with session.post(
                    f"http://127.0.0.1:{port}/v1/metrics", data=b"", headers=headers
                ) as answer:
                    return answer.status == 200
            except aiohttp.ClientError:
                return False

        await stand.until("the Collector is ready", process, taken)
