"""A newcomer's first minute: one command, real windows, a page, every command as printed, Ctrl-C, nothing left."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Event, Thread
from typing import IO

import psutil
import pytest

from deploy.local.folder import StateFolder
from deploy.local.leftovers import is_ours
from tests.support.http.gateway import free_port, status
from tests.support.wait import until

pytestmark = [pytest.mark.servers, pytest.mark.timeout(540)]

END_OF_TEXT = "Ctrl-C stops everything"
TIDEGAUGE = str(Path(sys.executable).with_name("tidegauge"))

IN_ENV = f'eval "$({TIDEGAUGE} env)"'
"""Gives a shell the addresses and keys of the system in its folder."""

PREFIXES = ("TIDEGAUGE_", "GATEWAY_", "INGEST_", "AGGREGATOR_", "ALERTS_", "SINK_")
"""How variables begin that would lead a run elsewhere."""

ASK = (
    "import asyncio, asyncpg, os, sys\n"
    "async def ask():\n"
    "    conn = await asyncpg.connect(os.environ['TIDEGAUGE_POSTGRES'])\n"
    "    print(await conn.fetchval(sys.argv[1]))\n"
    "asyncio.run(ask())"
)
"""Asks Postgres one thing."""


@dataclass
class Run:
    """A running `tidegauge up` and what it printed until it was ready."""

    folder: Path
    process: subprocess.Popen[str]
    lines: list[str]
    """What it has printed so far; a thread adds to it."""

    @property
    def printed(self) -> str:
        """All that it has printed."""
        return "".join(self.lines)

    def printed_command(self, *parts: str) -> str:
        """The printed curl command that holds these parts."""
        lines = [line.strip() for line in self.lines]
        return next(line for line in lines if line.startswith("curl ") and all(p in line for p in parts))


def environ() -> dict[str, str]:
    """This environment without the addresses of another system."""
    return {key: value for key, value in os.environ.items() if not key.startswith(PREFIXES)}


def shell(command: str, folder: Path) -> str:
    """What a command prints."""
    done = subprocess.run(
        command,
        shell=True,
        cwd=folder,
        env=environ(),
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def belonging_to(folder: Path) -> list[psutil.Process]:
    """Every process of the system in a folder."""
    state = StateFolder(folder)
    return [process for process in psutil.process_iter() if is_ours(state, process)]


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    """The system, started as a newcomer starts it, and ready."""
    with subprocess.Popen(
        [TIDEGAUGE, "up"],
        cwd=tmp_path,
        env=environ(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        made, shown = Run(tmp_path, process, []), Event()
        reader = Thread(target=read, args=(process.stdout, made.lines, shown))
        reader.start()
        assert shown.wait(150), made.printed
        yield made
        process.kill()
        reader.join()


def read(output: IO[str], lines: list[str], shown: Event) -> None:
    """Keep each line, and say when the text has ended."""
    for line in output:
        lines.append(line)
        if line.startswith(END_OF_TEXT):
            shown.set()


async def test_the_first_minute(run: Run) -> None:
    """What is printed is true, what is to be tried works, and the end is clean."""
    assert re.search(r"first closed window, \d+\.\d s after the start", run.printed), run.printed
    post, look = shell(f'{IN_ENV} && echo "$TIDEGAUGE_URL $TIDEGAUGE_QUERY_URL"', run.folder).split()
    assert f"  post here  {post} " in run.printed
    assert f"  look here  {look} " in run.printed
    assert (421, f"{look}/v1/alerts?state=firing") == asked(f"{post}/v1/alerts?state=firing", run)

    answer = json.loads(shell(run.printed_command("/v1/telemetry", "demo.answer"), run.folder))
    assert answer["accepted"] == 1

    async def has_window(final: bool) -> bool:
        assert run.process.poll() is None
        found = json.loads(shell(run.printed_command("/v1/windows"), run.folder))["windows"]
        return [42.0] == [window["sum"] for window in found if window["final"] is final]

    await until(lambda: has_window(False), "the posted point is in a live window", 30)
    await until(lambda: has_window(True), "the posted point is in a closed window", 60)

    await pages(run)
    await events_count_once(run)
    await one_more(run, post)

    run.process.send_signal(signal.SIGINT)
    assert run.process.wait(60) == 0
    assert belonging_to(run.folder) == []
    assert "no system runs in this folder" in shell(f"{TIDEGAUGE} env 2>&1 || true", run.folder)


def asked(url: str, run: Run, options: str = "") -> tuple[int, str]:
    """Status of a request of the shell, and whom else it is told to ask."""
    body, _, status = shell(f"curl -s '{url}' {options} -w ' %{{http_code}}'", run.folder).rpartition(" ")
    return int(status), json.loads(body or "{}").get("ask", "")


async def pages(run: Run) -> None:
    """A slow response, posted as printed, shows in the same terminal and in the API, and a quick one ends it."""
    slow, quick = (run.printed_command("/v1/telemetry", f'"value":{value},"kind"') for value in (6, 0.2))
    assert json.loads(shell(slow, run.folder))["accepted"] == 1

    async def shown(state: str) -> bool:
        return f"{state} ApiResponseCritical (critical): a response of /checkout took 6 s" in run.printed

    async def has_closed() -> bool:
        return "FIRING ApiResponseSlow (warning): responses of /checkout" in run.printed

    await until(lambda: shown("FIRING"), "the page shows in the terminal", 30)
    (alert,) = [
        alert
        for alert in json.loads(shell(run.printed_command("/v1/alerts"), run.folder))["alerts"]
        if alert["labels"]["alertname"] == "ApiResponseCritical"
    ]
    assert ("firing", "/checkout", 6.0) == (alert["state"], alert["labels"]["endpoint"], alert["value"])
    await until(has_closed, "the window of the slow response has closed", 60)
    assert json.loads(shell(quick, run.folder))["accepted"] == 1
    await until(lambda: shown("RESOLVED"), "it is over", 60)


async def events_count_once(run: Run) -> None:
    """An event that is posted twice is accepted twice and stored once; the demo's visitors enter the funnel."""
    posted = run.printed_command("/v1/events") + " -w ' %{http_code}'"
    for _ in range(2):
        answer, _, status = shell(posted, run.folder).rpartition(" ")
        assert (json.loads(answer)["accepted"], status) == (1, "202")

    async def stored() -> bool:
        count = "SELECT count(*) FROM event WHERE event_id = 'my-first'"
        query = f'{IN_ENV} && {sys.executable} -c "{ASK}" "{count}"'
        return shell(query, run.folder).strip() == "1"

    async def entered() -> bool:
        return bool(json.loads(shell(run.printed_command("/v1/funnels"), run.folder))["entries"])

    await until(stored, "the event is stored once", 30)
    await until(entered, "a visitor has entered the funnel", 60)


async def one_more(run: Run, post: str) -> None:
    """A query process that is started by hand answers reads, and names the intake to who posts."""
    key = shell(f"{IN_ENV} && echo $TIDEGAUGE_READ_KEY", run.folder).strip()
    with query_process(run) as url:

        async def answers() -> bool:
            return await status(f"{url}/docs") == 200

        await until(answers, "it answers", 30)
        assert (200, "") == asked(f"{url}/v1/alerts", run, f"-H 'x-api-key: {key}'")
        assert (421, f"{post}/v1/events") == asked(f"{url}/v1/events", run, "-X POST")


@contextmanager
def query_process(run: Run) -> Iterator[str]:
    """The address of one more, started as the handbook says."""
    port = free_port()
    command = f"{IN_ENV} && GATEWAY_ROLE=query GATEWAY_PORT={port} exec {sys.executable} -m services.gateway"
    with subprocess.Popen(command, shell=True, cwd=run.folder, env=environ()) as process:
        try:
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
    assert process.returncode == 0
