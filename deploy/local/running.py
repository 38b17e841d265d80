"""The addresses and keys of the system that runs in a folder, as shell exports; and how to stop it.

Spans are seconds. The lock of the folder decides whether a system runs; the remembered addresses alone do not.
"""

import os
import shlex
import signal
from collections.abc import Mapping
from pathlib import Path

from deploy.local.folder import StateFolder
from shared.errors import Misconfigured, Unavailable
from shared.runtime.clock import monotonic_s

MEMORY = "running.json"

POLL_S = 0.03
"""Time between two checks whether a system has ended."""

DOWN_S = 60.0
"""How long a running system may take to stop."""

ADVICE = "no system runs in this folder: start one by `make run` or `tidegauge up`"


def environment(folder: Path) -> dict[str, str]:
    """Addresses and keys of the system that runs here; `Misconfigured` when none does."""
    state = StateFolder(folder)
    if state.holder is None:
        raise Misconfigured(ADVICE)
    found = state.recall(MEMORY)
    if not found:
        raise Misconfigured(
            "the system of this folder is still starting, or stopping: ask again in a few seconds"
        )
    return {str(name): str(value) for name, value in found.items()}


def exports(environ: Mapping[str, str]) -> str:
    """Lines for `eval "$(tidegauge env)"`."""
    return "\n".join(f"export {name}={shlex.quote(value)}" for name, value in environ.items())


def address(variable: str, folder: Path, environ: Mapping[str, str]) -> str:
    """An address: the one that the environment gives, else that of the system running here."""
    if given := environ.get(variable):
        return given
    try:
        return environment(folder)[variable]
    except Misconfigured as problem:
        raise Misconfigured(f"{variable} is not set, and {problem}") from None


def down(folder: Path) -> int | None:
    """Stop the system that runs here and wait until it has; None when there is none."""
    # Imported by name: waiting for a process that is not our child is psutil's business.
    import psutil  # type: ignore[import-untyped]  # noqa: PLC0415

    state = StateFolder(folder)
    holder = state.holder
    if holder is None:
        return None
    os.kill(holder, signal.SIGTERM)
    deadline = monotonic_s() + DOWN_S
    while state.holder == holder:
        psutil.wait_procs([psutil.Process(holder)] if psutil.pid_exists(holder) else [], timeout=POLL_S)
        if monotonic_s() > deadline:
            raise Unavailable(
                "supervisor", f"process {holder} has not ended in {DOWN_S:.0f} s; kill it by force"
            )
    return holder
