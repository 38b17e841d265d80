"""Batches of our browser client."""

from typing import Any

import orjson

from tests.support.doors.sent import ENDPOINT, MESSAGE, PAGE, SESSION, TS_MS, TYPE, Sent


def _batch(item: dict[str, Any]) -> Sent:
    body = orjson.dumps({"batch_id": "b-1", "session_id": SESSION, "items": [{"ts": TS_MS, **item}]})
    return Sent("/v1/browser", body, media=b"text/plain", query=b"key=write&sent_at=%d" % TS_MS)


VITAL = _batch(
    {
        "kind": "vital", "name": "LCP", "value": 2600.5, "delta": 2600.5, "seq": 0, "id": "v6-1",
        "navigationType": "navigate", "page": PAGE,
    }
)  # fmt: skip
ERROR = _batch(
    {"kind": "error", "id": "e-1", "type": TYPE, "message": MESSAGE, "handled": False, "page": PAGE}
)
RESPONSE = _batch({"kind": "api", "endpoint": ENDPOINT, "method": "POST", "status": 500, "ms": 250})
