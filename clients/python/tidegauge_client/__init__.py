"""The client of Tidegauge for Python applications.

Make one `Telemetry` for a process, or one `AsyncTelemetry` for a loop, and call `point`, `event` and `funnel_step`:
they cost microseconds, never wait and never fail because of the network. Invariant: every item handed over is sent,
rejected or dropped, and counted as such.
"""

from tidegauge_client.async_telemetry import AsyncTelemetry
from tidegauge_client.delivery.answer import Rejection
from tidegauge_client.log_handler import TelemetryHandler
from tidegauge_client.middleware import ASGIMiddleware, WSGIMiddleware
from tidegauge_client.stats import Stats
from tidegauge_client.telemetry import Telemetry

__all__ = [
    "ASGIMiddleware",
    "AsyncTelemetry",
    "Rejection",
    "Stats",
    "Telemetry",
    "TelemetryHandler",
    "WSGIMiddleware",
]
