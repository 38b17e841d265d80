"""The HTTP server as the gateway runs it, and the collector of garbage beside it.

The process decides when it ends, not the server.
"""

import gc
from contextlib import nullcontext
from typing import Any

import uvicorn


class Server(uvicorn.Server):
    """uvicorn without its signal handlers: `run` decides when it ends."""

    def capture_signals(self) -> Any:
        """Capture none."""
        return nullcontext()


def tune_collector() -> None:
    """Points are freed by counting alone, so the cycle collector may rest; what lives for ever it need not visit."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(100_000, 20, 50)
