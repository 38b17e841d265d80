"""A real Prometheus over given samples: the reference for what PromQL means.

Times are milliseconds UTC. It comes with promtool from the same package.
"""

import asyncio
import shutil
import socket
import subprocess
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2

from tests.support import promtool
from tests.support.wait import until

Sample = tuple[str, dict[str, str], int, float]
"""Name, labels, time in ms and value."""


def openmetrics(samples: Iterable[Sample]) -> str:
    """The samples as OpenMetrics text, gauges all."""
    by_name: dict[str, list[str]] = {}
    for name, labels, ts_ms, value in samples:
        shown = ",".join(f'{label}="{text}"' for label, text in sorted(labels.items()))
        by_name.setdefault(name, []).append(f"{name}{{{shown}}} {value!r} {ts_ms / 1000}\n")
    parts = [f"# TYPE {name} gauge\n" + "".join(lines) for name, lines in sorted(by_name.items())]
    return "".join(parts) + "# EOF\n"


@contextmanager
def serving(samples: Iterable[Sample], folder: Path) -> Iterator[str]:
    """Address of a Prometheus that holds these samples and no others."""
    (folder / "samples").write_text(openmetrics(samples))
    code, said = promtool.run(
        "tsdb", "create-blocks-from", "openmetrics", str(folder / "samples"), str(folder / "data")
    )
    assert code == 0, said
    program = shutil.which("prometheus")
    assert program, "prometheus is missing beside promtool"
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    (folder / "prometheus.yml").write_text("scrape_configs: []\n")
    command = [
        program, f"--config.file={folder / 'prometheus.yml'}", f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address={address}", "--storage.tsdb.retention.time=100y", "--log.level=error",
    ]  # fmt: skip
    with (folder / "log").open("wb") as log, subprocess.Popen(command, stderr=log, stdout=log) as process:
        try:
            asyncio.run(until(lambda: _is_ready(f"http://{address}/-/ready"), "Prometheus is ready", 30))
            yield f"http://{address}"
        finally:
            process.terminate()
            process.wait(20)


async def _is_ready(url: str) -> bool:
    try:
        async with httpx2.AsyncClient() as client:
            return (await client.get(url)).status_code == httpx2.codes.OK
    except httpx2.TransportError:
        return False
