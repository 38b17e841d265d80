"""PostHog's clients: a batch of one event."""

import orjson

from tests.support.doors.sent import MESSAGE, PAGE, SESSION, TYPE, Sent

AT = "2025-10-09T08:53:20.000Z"


def _batch(name: str, properties: dict[str, object]) -> Sent:
    said = {"$session_id": SESSION, "$current_url": PAGE + "?q=1", **properties}
    event = {"event": name, "uuid": "u-1", "distinct_id": "ann", "timestamp": AT, "properties": said}
    return Sent("/i/v0/e/", orjson.dumps({"api_key": "k", "batch": [event]}), media=b"text/plain")


VITAL = _batch(
    "$web_vitals",
    {
        "$web_vitals_LCP_value": 2600.5,
        "$web_vitals_LCP_event": {
            "name": "LCP", "value": 2600.5, "delta": 2600.5, "navigationType": "navigate", "navigationURL": PAGE,
        },
    },
)  # fmt: skip
ERROR = _batch(
    "$exception",
    {
        "$exception_level": "error",
        "$exception_list": [{"type": TYPE, "value": MESSAGE, "mechanism": {"handled": False}}],
    },
)
RESPONSE = None
