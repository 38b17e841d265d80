"""Exit codes mean what docs/OPERATIONS.md says: 1 where starting again cannot help, 70 where it can."""

import subprocess
import sys

import pytest

from deploy.local.folder import ROOT
from shared.runtime.lifecycle import EXIT_GIVEN_UP, EXIT_MISCONFIGURED

ENDS = """
import asyncio, sys
from shared.errors import Misconfigured, Unavailable
from shared.runtime import start
from shared.runtime.lifecycle import background

async def fails():
    {problem}

async def is_cancelled_by_what_it_waits_for():
    given_up = asyncio.get_running_loop().create_future()
    given_up.cancel()
    await given_up

async def in_main():
    await fails()

async def in_background():
    background(fails(), "job")
    await asyncio.Event().wait()

start.run("service", {where})
"""

PROBLEMS = {
    "what does not fit": (
        "raise Misconfigured('the rule file is wrong')", EXIT_MISCONFIGURED, "the rule file is wrong",
    ),
    "a dependency that is away": ("raise Unavailable('postgres', 'refused')", EXIT_GIVEN_UP, "refused"),
    "a bug": ("raise ZeroDivisionError('bug')", EXIT_GIVEN_UP, "bug"),
    "a library that cancels": (
        "await is_cancelled_by_what_it_waits_for()", EXIT_GIVEN_UP, "cancelled by what it waited for",
    ),
}  # fmt: skip
"""What ends a process, and the code it ends with. Source: faults.md, exit codes."""


@pytest.mark.parametrize("where", ["in_main", "in_background"])
@pytest.mark.parametrize("problem", list(PROBLEMS))
def test_the_exit_code_says_whether_starting_again_helps(problem: str, where: str) -> None:
    """Wherever it happens, and the last lines say what it was."""
    does, code, said = PROBLEMS[problem]
    script = ENDS.format(problem=does, where=where)

    ended = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False
    )

    assert (code, True) == (ended.returncode, said in ended.stderr), ended.stderr


def test_a_setting_that_is_missing_is_one_sentence() -> None:
    """No trace: the service names what it lacks."""
    ended = subprocess.run(
        [sys.executable, "-m", "services.ingest"],
        cwd=ROOT,
        env={},
        capture_output=True,
        text=True,
        check=False,
    )

    assert (EXIT_MISCONFIGURED, "") == (ended.returncode, ended.stdout)
    assert ended.stderr == "ingest: TIDEGAUGE_KAFKA is not set; TIDEGAUGE_POSTGRES is not set\n"
