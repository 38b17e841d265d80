"""What the watchdog asks of a pump, on either runtime: symptoms of one that hangs without saying so.

A limit says how long a symptom may last by right; beyond it only another process can go on.
"""

from typing import Any

from shared.stream import group as timing
from shared.stream.pump import Pump
from shared.stream.runtimes.watchdog import Symptom


def of(pump: Pump[Any]) -> dict[Symptom, float]:
    """All of them, each with how many seconds it may last."""
    return {
        pump.fenced: timing.FENCED_S,
        pump.hole: timing.SETTLE_S,
        pump.progress.endless: timing.MAX_POLL_S,
        pump.progress.idle: 0.0,
    }
