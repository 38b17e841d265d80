"""The load generator wrk: finds or installs it, runs it on a folder of bodies, and reads its report.

Milliseconds and seconds as the names say. A run with an answer other than 2xx, or without an answer, is `Invalid`.
"""

import asyncio
import json
import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from bench.figure import Invalid, say

SCRIPT = Path(__file__).with_name("wrk.lua")

INSTALL = ("apt-get", "install", "-y", "--no-install-recommends", "wrk")


@dataclass(frozen=True, slots=True)
class Sent:
    """What the load generator says of one run."""

    requests: int
    p50_ms: float
    p99_ms: float


def find() -> str:
    """Its path; as root on Debian it is installed when it is missing."""
    if not shutil.which("wrk") and os.geteuid() == 0 and shutil.which("apt-get"):
        say(f"wrk is missing; installing it: {' '.join(INSTALL)}")
        environ = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        for command in (INSTALL, ("apt-get", "update"), INSTALL):
            if not shutil.which("wrk"):
                subprocess.run(command, env=environ, check=False, capture_output=True)
    if found := shutil.which("wrk"):
        return found
    raise Invalid(f"wrk is missing: sudo {' '.join(INSTALL)} (or brew install wrk)")


JSON = {"Content-Type": "application/json"}


async def drive(
    port: int,
    key: str,
    bodies: Path,
    *,
    path: str,
    connections: int,
    seconds: int,
    headers: Mapping[str, str] = JSON,
) -> Sent:
    """Post the bodies in turn for so long, as fast as they are answered."""
    lines = "\n".join(f"{name}: {value}" for name, value in headers.items())
    environ = {**os.environ, "BENCH_BODIES": str(bodies), "BENCH_KEY": key, "BENCH_HEADERS": lines}
    process = await asyncio.create_subprocess_exec(
        find(), "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "60s", "-s", str(SCRIPT),
        f"http://127.0.0.1:{port}{path}", env=environ,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    printed = (await process.communicate())[0].decode(errors="replace")
    last = printed.strip().rpartition("\n")[2]
    if process.returncode or not last.startswith("{"):
        raise Invalid(f"wrk failed: {printed[-500:]}")
    told = json.loads(last)
    if told["refused"] or told["broken"]:
        raise Invalid(
            f"{told['refused']} answers but 2xx (first: {told['first']}), {told['broken']} without answer"
        )
    return Sent(told["requests"], told["p50_ms"], told["p99_ms"])


async def read(port: int, key: str, path: str, *, seconds: int) -> int:
    """Ask for a path again and again on one connection for so long; how often it was answered 200."""
    process = await asyncio.create_subprocess_exec(
        find(), "-t1", "-c1", f"-d{seconds}s", "--timeout", "60s", "-H", f"Authorization: Bearer {key}",
        f"http://127.0.0.1:{port}{path}", stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    printed = (await process.communicate())[0].decode(errors="replace")
    answered = re.search(r"(\d+) requests in", printed)
    if process.returncode or not answered or "Non-2xx" in printed or "Socket errors" in printed:
        raise Invalid(f"reading {path} failed: {printed[-500:]}")
    return int(answered[1])
