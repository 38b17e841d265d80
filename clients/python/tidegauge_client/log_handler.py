"""Lines of Python's `logging` as events: `log`, and `error` where a line bears an exception.

Their properties are those of docs/clients/mapping.md. Invariant: lines of this client itself are never sent, so that a
report of a failure does not cause the next one.
"""

import logging
from traceback import walk_tb
from typing import Any

from tidegauge_client.recorder import Recorder

MAX_FRAMES = 50
"""Calls of a stack that are sent, the innermost ones."""

MAX_MESSAGE = 4096
"""Characters of a message that are sent."""

OURS = "tidegauge_client"
"""The log of this client."""


class TelemetryHandler(logging.Handler):
    """Sends lines from a level on: `logging.getLogger().addHandler(TelemetryHandler(telemetry))`."""

    def __init__(self, telemetry: Recorder, level: int = logging.WARNING) -> None:
        super().__init__(level)
        self._telemetry = telemetry

    def emit(self, record: logging.LogRecord) -> None:
        """Send one line; what goes wrong with it is said as `logging` says it."""
        if record.name.partition(".")[0] == OURS:
            return
        try:
            self._send(record)
        except Exception:  # noqa: BLE001  a handler must not raise into the application
            self.handleError(record)

    def _send(self, record: logging.LogRecord) -> None:
        said = {
            "level": record.levelname.lower(),
            "message": record.getMessage()[:MAX_MESSAGE],
            "attributes": {"logger": record.name},
        }
        at_ms = int(record.created * 1000)
        problem = record.exc_info[1] if record.exc_info else None
        if problem is None:
            self._telemetry.event("log", ts_ms=at_ms, properties=said)
            return
        kind = type(problem).__name__
        self._telemetry.event(
            "error",
            kind,
            ts_ms=at_ms,
            properties=said | {"type": kind, "handled": True, "stack": _stack(problem)},
        )


def _stack(problem: BaseException) -> list[dict[str, Any]]:
    """The calls that led to it, the innermost first; of a file the last two parts."""
    frames = [
        {
            "function": frame.f_code.co_name,
            "file": "/".join(frame.f_code.co_filename.replace("\\", "/").split("/")[-2:]),
            "line": line,
        }
        for frame, line in walk_tb(problem.__traceback__)
    ]
    return frames[::-1][:MAX_FRAMES]
