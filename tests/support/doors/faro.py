"""Payloads of Grafana Faro."""

from typing import Any

import orjson

from tests.support.doors.sent import ENDPOINT, MESSAGE, PAGE, SESSION, TYPE, Sent

META = {"session": {"id": SESSION}, "page": {"url": PAGE + "?token=1"}}
TIME = "2025-10-09T08:53:20.000Z"


def _payload(kind: str, item: dict[str, Any]) -> Sent:
    body = orjson.dumps({"meta": META, kind: [{"timestamp": TIME, **item}]})
    return Sent("/collect/{key}", body, path="/collect/write")


VITAL = _payload(
    "measurements",
    {
        "type": "web-vitals", "values": {"lcp": 2600.5, "delta": 2600.5},
        "context": {"id": "v5-1", "navigation_type": "navigate"},
    },
)  # fmt: skip
ERROR = _payload("exceptions", {"type": TYPE, "value": MESSAGE, "fatal": True})
RESPONSE = _payload(
    "events",
    {
        "name": "faro.tracing.fetch",
        "attributes": {
            "http.url": ENDPOINT, "http.method": "POST", "http.status_code": "500", "duration_ns": "250000000",
        },
    },
)  # fmt: skip
