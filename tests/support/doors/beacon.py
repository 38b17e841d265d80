"""Objects of the web-vitals library."""

import orjson

from tests.support.doors.sent import PAGE, Sent

VITAL = Sent(
    "/v1/vitals",
    orjson.dumps(
        [
            {
                "name": "LCP",
                "value": 2600.5,
                "delta": 2600.5,
                "id": "v6-1",
                "navigationType": "navigate",
                "navigationURL": PAGE,
            }
        ]
    ),
    media=b"text/plain",
)
ERROR = None
RESPONSE = None
