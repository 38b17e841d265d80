"""Recipe of the local broker: Apache Kafka 4 in KRaft mode, one JVM, its jars by Maven.

The broker is ready when a metadata request names a broker, not when its port is open. It listens on loopback only and
creates no topic by itself.
"""

import asyncio
import signal
import socket
import subprocess
from collections.abc import Sequence
from pathlib import Path

from aiokafka.client import AIOKafkaClient
from aiokafka.errors import KafkaError

from deploy.local.folder import StateFolder
from deploy.local.ports import LOOPBACK, Ports
from deploy.local.process import bound_to_us
from deploy.local.run_sync import run_sync
from deploy.local.servers.jars import POM, class_path
from deploy.local.servers.prerequisites import Say, java
from shared.errors import Unavailable

CLUSTER = "dGlkZWdhdWdlLWxvY2FsMA"
"""Cluster id: 16 bytes in url-safe base64."""

ANSWER_S = 2.0
"""Bound on one metadata request."""

HEAP = ("-Xms128m", "-Xmx256m", "-XX:+UseSerialGC")

# The settings that are not addresses; what they are worth was measured, see the decision records and OPERATIONS.
# The cleaner's buffer is 128 MiB unless told: half of the heap, and then the recovery of a thousand logs ran out of it.
SETTINGS = """\
process.roles=broker,controller
node.id=1
controller.listener.names=CONTROLLER
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
inter.broker.listener.name=PLAINTEXT
auto.create.topics.enable=false
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=3000
broker.session.timeout.ms=3000
log.cleaner.dedupe.buffer.size=16777216
offsets.topic.num.partitions=4
offsets.topic.replication.factor=1
transaction.state.log.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.num.partitions=4
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
"""


def answers(address: str) -> bool:
    """Whether a broker answers a metadata request and names itself."""
    host, _, port = address.split(",", maxsplit=1)[0].rpartition(":")
    try:
        # A refused connection is cheap to see here and noisy in the client.
        socket.create_connection((host, int(port)), ANSWER_S).close()
    except OSError:
        return False
    return run_sync(_has_brokers(address))


async def _has_brokers(address: str) -> bool:
    client = AIOKafkaClient(bootstrap_servers=address, request_timeout_ms=int(ANSWER_S * 1000))
    try:
        async with asyncio.timeout(ANSWER_S):
            await client.bootstrap()
            return bool(client.cluster.brokers())
    except (KafkaError, OSError, TimeoutError):
        return False
    finally:
        await client.close()


class Kafka:
    """The broker of one folder."""

    name = "kafka"
    stop_signal = signal.SIGTERM

    def __init__(self, folder: StateFolder, ports: Ports, say: Say) -> None:
        self._data = folder.data / "kafka"
        self._settings = folder.data / "kafka.properties"
        self._port = ports.pick("kafka", "TIDEGAUGE_KAFKA_PORT")
        self._controller = ports.pick("kafka-controller", "TIDEGAUGE_KAFKA_CONTROLLER_PORT")
        self._say = say
        self._formatting: subprocess.Popen[str] | None = None
        self._java: list[str] = []
        self.address = f"{LOOPBACK}:{self._port}"

    def prepare(self) -> None:
        """Find Java and the jars, write the settings, begin to format the log folder."""
        log4j = f"-Dlog4j2.configurationFile={POM.with_name('log4j2.xml')}"
        self._java = [java(self._say), *HEAP, log4j, "-cp", class_path(self._say)]
        self._settings.parent.mkdir(parents=True, exist_ok=True)
        self._settings.write_text(SETTINGS + self._addresses())
        if not (self._data / "meta.properties").exists():
            format_it = ("kafka.tools.StorageTool", "format", "-t", CLUSTER, "-c", str(self._settings))
            self._formatting = subprocess.Popen(
                bound_to_us([*self._java, *format_it]),
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )

    def _addresses(self) -> str:
        return (
            f"listeners=PLAINTEXT://{self.address},CONTROLLER://{LOOPBACK}:{self._controller}\n"
            f"advertised.listeners=PLAINTEXT://{self.address}\n"
            f"controller.quorum.voters=1@{LOOPBACK}:{self._controller}\n"
            f"log.dirs={_escaped(self._data)}\n"
        )

    def command(self) -> Sequence[str]:
        """The broker; waits for the formatting that `prepare` began."""
        if self._formatting is not None:
            out, _ = self._formatting.communicate()
            if self._formatting.returncode:
                raise Unavailable("kafka", f"its log folder could not be formatted:\n{out}")
            self._formatting = None
        return bound_to_us([*self._java, "kafka.Kafka", str(self._settings)])

    def answers(self) -> bool:
        """Whether a metadata request names a broker."""
        return answers(self.address)


def _escaped(path: Path) -> str:
    """A path in a Java properties file, where a backslash begins an escape and a comma a second folder."""
    text = str(path)
    if "," in text:
        raise Unavailable(
            "kafka", f"its data cannot lie in {text}: Kafka takes the comma for the end of the path"
        )
    return text.replace("\\", "\\\\")
