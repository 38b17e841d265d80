"""The routes of the source documents."""

import orjson

from tests.support.doors.sent import ENDPOINT, ERROR_ROW, PAGE, SESSION, TS_MS, TYPE, Sent

METRICS = "/api/analytics/performance/metrics"

VITAL = Sent(
    METRICS,
    orjson.dumps(
        {
            "name": "LCP",
            "value": 2600.5,
            "delta": 2600.5,
            "id": "v6-1",
            "navigationType": "navigate",
            "page": PAGE,
        }
    ),
    media=b"text/plain",
)
ERROR = Sent(
    "/api/analytics/events",
    orjson.dumps(
        {
            "eventType": "error", "eventName": TYPE, "sessionId": SESSION, "timestamp": TS_MS,
            "metadata": ERROR_ROW["properties"],
        }
    ),
)  # fmt: skip
RESPONSE = Sent(
    METRICS,
    orjson.dumps(
        {"type": "api", "endpoint": ENDPOINT, "method": "POST", "statusCode": 500, "responseTime": 250}
    ),
)
