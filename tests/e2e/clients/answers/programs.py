"""Clients of programs, each in a process of its own that reports one item and ends when its client has given up."""

import asyncio

import orjson

from deploy.local.folder import ROOT
from tests.e2e.clients.answers.observed import MARKER, Observation
from tests.e2e.clients.answers.scripted import Scripted
from tests.e2e.clients.reporting.programs import command, environment

ENDED_S = 90


async def observed(client: str, answer: str, server: Scripted, **more: str) -> dict[str, Observation]:
    """What the client does, by signal."""
    settings = {
        **environment(client, server.urls[answer], "KEY"),
        "ITEMS": "1",
        "PREFIX": MARKER[:-1],
        **more,
    }
    process = await asyncio.create_subprocess_exec(
        *command(client), cwd=ROOT, env=settings,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        output, errors = await asyncio.wait_for(process.communicate(), ENDED_S)
    finally:
        if process.returncode is None:
            process.kill()
    assert process.returncode == 0, errors.decode()
    reported = orjson.loads(output)
    whom = {"log"} if errors else set()
    if reported["failed"].get("events"):
        whom.add("callback")
    if server.reports(answer):
        whom.add("report")
    paths = {signal: "" if signal == "events" else f"/v1/{signal}" for signal in reported["believed"]}
    return {
        signal: Observation(len(server.of(answer, MARKER.encode(), path)), frozenset(whom))
        for signal, path in paths.items()
    }
