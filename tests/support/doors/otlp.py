"""OpenTelemetry: vitals and errors as log records, response times as spans of a client."""

import orjson

from tests.support.doors.sent import ENDPOINT, MESSAGE, PAGE, SESSION, TS_MS, TYPE, Sent

TS_NS = TS_MS * 1_000_000


def _attributes(**given: object) -> list[dict[str, object]]:
    fields = {str: "stringValue", bool: "boolValue", int: "intValue", float: "doubleValue"}
    return [{"key": name, "value": {fields[type(value)]: value}} for name, value in given.items()]


def _log(event_name: str, /, **attributes: object) -> Sent:
    record = {"timeUnixNano": str(TS_NS), "eventName": event_name, "attributes": _attributes(**attributes)}
    return Sent("/v1/logs", orjson.dumps({"resourceLogs": [{"scopeLogs": [{"logRecords": [record]}]}]}))


VITAL = _log(
    "browser.web_vital",
    **{"name": "lcp", "value": 2600.5, "delta": 2600.5, "navigation_type": "navigate", "url.full": PAGE},
)
ERROR = _log(
    "exception",
    **{
        "exception.type": TYPE, "exception.message": MESSAGE, "exception.escaped": True, "session.id": SESSION,
        "url.full": PAGE,
    },
)  # fmt: skip
RESPONSE = Sent(
    "/v1/traces",
    orjson.dumps(
        {
            "resourceSpans": [
                {
                    "scopeSpans": [
                        {
                            "spans": [
                                {
                                    "name": "POST", "kind": 3, "startTimeUnixNano": str(TS_NS),
                                    "endTimeUnixNano": str(TS_NS + 250_000_000),
                                    "attributes": _attributes(
                                        **{
                                            "url.full": f"{ENDPOINT}?x=1", "http.request.method": "POST",
                                            "http.response.status_code": 500,
                                        }
                                    ),
                                }
                            ]
                        }
                    ]
                }
            ]
        }
    ),
)  # fmt: skip
