"""Telegraf as it is shipped, which collects a page of metrics each second and writes them as it is told."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.e2e.agents import programs
from tests.e2e.agents.agent import running
from tests.e2e.agents.target import Target, target

CONFIG = """
[agent]
  interval = "1s"
  flush_interval = "1s"
  omit_hostname = true
[[inputs.http]]
  urls = ["http://127.0.0.1:{target}/"]
  data_format = "prometheus"
  prometheus_metric_version = {version}
[[inputs.internal]]
[[outputs.file]]
  files = ["{internal}"]
  data_format = "influx"
  namepass = ["internal_write"]
{output}
  namedrop = ["internal_*"]
{headers}
"""

INFLUXDB_2 = """
[[outputs.influxdb_v2]]
  urls = ["{url}"]
  token = "{key}"
  organization = "any"
  bucket = "any"
"""

INFLUXDB_1 = """
[[outputs.influxdb]]
  urls = ["{url}"]
  database = "any"
  skip_database_creation = true
  username = "any"
  password = "{key}"
"""

LINES = """
[[outputs.http]]
  url = "{url}/api/v2/write"
  data_format = "influx"
"""

REMOTE_WRITE = """
[[outputs.http]]
  url = "{url}/api/v1/write"
  data_format = "prometheusremotewrite"
  prometheus_sort_metrics = true
  non_retryable_statuscodes = [400]
"""

AUTHORIZATION = """
  [outputs.http.headers]
    Authorization = "Bearer {key}"
"""

OF_REMOTE_WRITE = """
    Content-Type = "application/x-protobuf"
    Content-Encoding = "snappy"
    X-Prometheus-Remote-Write-Version = "0.1.0"
"""


@dataclass
class Telegraf:
    """A running Telegraf, and what it collects."""

    target: Target
    internal: Path
    """Where it writes what it has done."""

    def written(self, what: str) -> int:
        """The newest figure of its output, not of the file."""
        lines = [line for line in self.internal.read_text().splitlines() if "output=file" not in line]
        found = [re.search(rf"[ ,]{what}=(\d+)i", line) for line in lines]
        return max((int(figure[1]) for figure in found if figure), default=0)

    async def has_written_all(self) -> bool:
        """Whether it believes delivered all that it has collected."""
        return 0 < self.written("metrics_added") == self.written("metrics_written")


@asynccontextmanager
async def telegraf(folder: Path, output: str, headers: str, version: int) -> AsyncIterator[Telegraf]:
    """Telegraf, writing what it collects to the gateway."""
    path, internal = folder / "telegraf.conf", folder / "internal.txt"
    internal.touch()
    async with target() as collected:
        text = CONFIG.format(
            target=collected.port, internal=internal, output=output, headers=headers, version=version
        )
        path.write_text(text)
        async with running(programs.program("telegraf"), "--config", path, log=folder / "telegraf.log"):
            yield Telegraf(collected, internal)
