#!/usr/bin/env bash
# The route of a request below a mount of FastAPI is the inner half for sentry-sdk and the outer half for OpenTelemetry.
#
# Version:  fastapi 0.165.0, starlette 1.10.0, sentry-sdk 2.75.0, opentelemetry-instrumentation-fastapi 0.66b2,
#           opentelemetry-sdk 1.45.2.
# Expected: two applications are mounted at /shops and /stock, each with a route /items/{number}: both clients name the
#           requests /shops/items/{number} and /stock/items/{number}.
# Seen:     sentry-sdk names both /items/{number}; OpenTelemetry names them /shops and /stock, whatever route answered.
# So:       our middleware looks for the route again from the outermost router on, and names it whole.
#
# Ends with 0 as long as this is so, with 1 when it has changed.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check "fastapi==0.165.0" "starlette==1.10.0" "sentry-sdk==2.75.0"
"$folder/venv/bin/pip" install -q --disable-pip-version-check "opentelemetry-instrumentation-fastapi==0.66b2" "opentelemetry-sdk==1.45.2"

"$folder/venv/bin/python" - <<'PYTHON'
import asyncio
import sys

import sentry_sdk
from fastapi import FastAPI
from opentelemetry.instrumentation.fastapi import FastAPIInstrumentor
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter


def shop():
    app = FastAPI()
    for path in ("/shops", "/stock"):
        below = FastAPI()
        below.get("/items/{number}")(lambda number: number)
        app.mount(path, below)
    return app


async def ask(app, path):
    async def receive():
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message):
        pass

    scope = {
        "type": "http", "method": "GET", "path": path, "raw_path": path.encode(), "query_string": b"", "headers": [],
        "root_path": "", "scheme": "http", "server": ("shop.example", 80), "client": ("127.0.0.1", 1), "http_version": "1.1",
    }
    await app(scope, receive, send)


async def ask_all(app):
    for path in ("/shops/items/1", "/stock/items/2"):
        await ask(app, path)


spans = InMemorySpanExporter()
provider = TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(spans))
measured = shop()
FastAPIInstrumentor.instrument_app(measured, tracer_provider=provider)
asyncio.run(ask_all(measured))
by_otel = [span.attributes.get("http.route") for span in spans.get_finished_spans() if span.kind.name == "SERVER"]

by_sentry = []


def keep(event, hint):
    by_sentry.append(event["transaction"])


sentry_sdk.init("http://key@127.0.0.1:9/1", traces_sample_rate=1.0, before_send_transaction=keep)
asyncio.run(ask_all(shop()))

print("sentry-sdk:   ", by_sentry)
print("OpenTelemetry:", by_otel)
as_found = (by_sentry, by_otel) == (["/items/{number}"] * 2, ["/shops", "/stock"])
print("as found" if as_found else "CHANGED: expected /items/{number} twice, and /shops and /stock")
sys.exit(not as_found)
PYTHON
