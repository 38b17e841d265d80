"""How a process ends: in order on SIGTERM and SIGINT, at once on a bug.

A process that cannot go on logs the reason and exits with code 70; its supervisor starts it again, and it replays the
log from the checkpoint. It exits with code 1 when something does not fit and starting again cannot help.
"""

import asyncio
import logging
import os
import signal
import sys
from collections.abc import Coroutine
from typing import Any

import structlog

from shared.errors import Misconfigured

EXIT_MISCONFIGURED = 1
"""Exit code of a process that a setting, a rule file, the schema or something stored does not fit."""

EXIT_GIVEN_UP = 70
"""Exit code of a process that ended itself in order to be restarted (EX_SOFTWARE)."""

_log = structlog.get_logger(__name__)


def exit_code_of(problem: BaseException) -> int:
    """The code of a process that ends because of this."""
    return EXIT_MISCONFIGURED if isinstance(problem, Misconfigured) else EXIT_GIVEN_UP


def die(reason: str, code: int = EXIT_GIVEN_UP) -> None:
    """End this process now, without cleaning up: nothing it holds may be written any more."""
    _log.critical("process ends itself", reason=reason)
    logging.shutdown()
    sys.stderr.flush()
    os._exit(code)


def stop_event() -> asyncio.Event:
    """An event of the running loop that SIGTERM or SIGINT sets."""
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    return stopping


def background(job: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
    """Run `job` beside everything else; when it fails, the process ends."""
    task = asyncio.create_task(guarded(job), name=name)
    _running.add(task)  # the loop itself holds tasks only weakly
    task.add_done_callback(_end_on_failure)
    return task


_running: set[asyncio.Task[None]] = set()


async def guarded(job: Coroutine[Any, Any, None]) -> None:
    """Run `job`; a cancellation that nobody asked for is an error of what it waited for.

    A library that cancels a future of its own ends by it whoever waits for that, and nobody hears of it.
    """
    try:
        await job
    except asyncio.CancelledError as cancelled:
        task = asyncio.current_task()
        if task is None or task.cancelling():
            raise
        raise RuntimeError("cancelled by what it waited for") from cancelled


def _end_on_failure(task: asyncio.Task[None]) -> None:
    _running.discard(task)
    if not task.cancelled() and (problem := task.exception()) is not None:
        _log.critical("task failed", task=task.get_name(), exc_info=problem)
        die(f"{task.get_name()}: {problem!r}", exit_code_of(problem))
