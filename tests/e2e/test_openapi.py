"""schemathesis asks each half of the gateway what its OpenAPI document allows, and what it forbids: no answer is 5xx.

`TIDEGAUGE_SCHEMATHESIS` says how many examples are made of each operation.
"""

import asyncio
import os
import sys
from asyncio.subprocess import PIPE, STDOUT
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from deploy.local.stack import Stack
from tests.support.processes.system import System

pytestmark = [pytest.mark.servers, pytest.mark.timeout(1800)]

EXAMPLES = os.environ.get("TIDEGAUGE_SCHEMATHESIS", "5")
CHECKS = "not_a_server_error"


@pytest_asyncio.fixture
async def system(stack: Stack, tmp_path: Path) -> AsyncIterator[System]:
    """Four services; nobody is paged."""
    async with System(stack, tmp_path, "http://127.0.0.1:1/") as made:
        await made.sql(
            "UPDATE tenant SET points_per_s = 1e9, points_burst = 1e9 WHERE name = $1", made.prefix
        )
        yield made


async def test_no_request_makes_a_half_of_the_gateway_fail(system: System, tmp_path: Path) -> None:
    """Values at limits, of wrong types, absent; methods and media that are not named."""
    found = {url: await asked(url, system.key, tmp_path) for url in (system.url, system.query_url)}

    assert {} == {url: said for url, (code, said) in found.items() if code}


async def asked(url: str, key: str, folder: Path) -> tuple[int | None, str]:
    """The exit code of schemathesis, and what it says."""
    arguments = (
        "run", f"{url}/openapi.json", "--checks", CHECKS, "--max-examples", EXAMPLES, "--seed", "12",
        "--phases", "examples,coverage,fuzzing", "--header", f"X-API-Key: {key}", "--request-timeout", "30",
        "--warnings", "off", "--no-color", "--generation-database", "none", "--suppress-health-check", "all",
    )  # fmt: skip
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "schemathesis.cli", *arguments, cwd=folder, stdout=PIPE, stderr=STDOUT
    )
    said, _ = await process.communicate()
    print(said.decode())  # noqa: T201 - the figures
    return process.returncode, said.decode()
