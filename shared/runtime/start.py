"""Starts a service and ends its process with the exit code that docs/OPERATIONS.md promises.

Invariant: code 1 means that a restart cannot help, and code 70 that it can.
"""

import os
import sys
from collections.abc import Callable, Coroutine
from typing import Any

import structlog

from shared.errors import Misconfigured
from shared.runtime import failpoint, logging, loop
from shared.runtime.lifecycle import exit_code_of, guarded

_log = structlog.get_logger(__name__)


def run(service: str, main: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run the coroutine that `main` makes; does not return unless it ends well.

    What does not fit is one sentence on standard error; a bug is logged with its trace.
    """
    logging.configure(service)
    try:
        failpoint.arm(os.environ.get(failpoint.VARIABLE, ""))
        loop.run(guarded(main()))
    except Misconfigured as problem:
        sys.stderr.write(f"{service}: {problem}\n")
        sys.exit(exit_code_of(problem))
    except Exception as problem:  # noqa: BLE001 # whatever it is, the process ends, and replays when it is back
        _log.critical("process failed", exc_info=problem)
        sys.exit(exit_code_of(problem))
