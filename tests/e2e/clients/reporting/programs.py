"""The clients of programs: what starts an application of each, and its settings as the client's pages have them."""

import os
import sys
from collections.abc import Mapping

from tests.e2e.clients.packages import NODE, json_exporter, modules, node

PYTHON, JAVASCRIPT = "OpenTelemetry Python", "OpenTelemetry JavaScript"

PROGRAMS = {
    f"{PYTHON}, protobuf": ("otlp", "proto"),
    f"{PYTHON}, JSON": ("otlp", "json"),
    f"{JAVASCRIPT}, protobuf": ("node", "proto"),
    f"{JAVASCRIPT}, JSON": ("node", "http"),
    "sentry-sdk": ("sentry_messages", ""),
    "posthog": ("posthog_events", ""),
}
"""Client -> its application in this folder, and the encoding that it is told."""


def command(client: str) -> list[str]:
    """How the application is started, in the root of the project."""
    app, _ = PROGRAMS[client]
    if app == "node":
        return [node(), str(NODE / "otlp.mjs")]
    return [sys.executable, "-m", f"tests.e2e.clients.reporting.{app}"]


def environment(client: str, url: str, key: str) -> Mapping[str, str]:
    """Where it posts to, under which key."""
    _, encoding = PROGRAMS[client]
    settings = {
        "URL": url,
        "KEY": key,
        "DSN": url.replace("://", f"://{key}@") + "/1",
        "ENCODING": encoding,
        "OTEL_EXPORTER_OTLP_ENDPOINT": url,
        "OTEL_EXPORTER_OTLP_HEADERS": f"Authorization=Bearer%20{key}",
        "OTEL_SERVICE_NAME": "shop",
    }
    if encoding == "json":
        settings["PYTHONPATH"] = str(json_exporter())
    if PROGRAMS[client][0] == "node":
        settings["MODULES"] = str(modules(NODE))
    return os.environ | settings
