"""Sentry's browser SDK: envelopes with an item each."""

import orjson

from tests.support.doors.sent import ENDPOINT, MESSAGE, PAGE, SESSION, TS_MS, TYPE, Sent


def _envelope(type_: str, payload: object) -> Sent:
    return Sent(
        "/api/{project}/envelope/",
        b"\n".join(map(orjson.dumps, ({}, {"type": type_}, payload))),
        "/api/1/envelope/",
        b"text/plain",
        query=b"sentry_version=7&sentry_key=k",
    )


def _span(op: str, seconds: float, **attributes: object) -> dict[str, object]:
    begun = TS_MS / 1000
    said = {name.replace("__", "."): {"value": value, "type": "string"} for name, value in attributes.items()}
    return {
        "start_timestamp": begun - seconds, "end_timestamp": begun,
        "attributes": said | {"sentry.op": {"value": op, "type": "string"}},
    }  # fmt: skip


VITAL = _envelope(
    "span",
    {
        "items": [
            _span(
                "ui.webvital.lcp", 0, url__full=PAGE + "?q=1", browser__navigation__type="navigate",
                browser__web_vital__lcp__value=2600.5,
            )
        ]
    },
)  # fmt: skip
ERROR = _envelope(
    "event",
    {
        "event_id": "0f8fad5b-d9cb-469f-a165-70867728950e", "timestamp": TS_MS / 1000, "level": "error",
        "exception": {"values": [{"type": TYPE, "value": MESSAGE, "mechanism": {"handled": False}}]},
        "request": {"url": PAGE + "#top"}, "tags": {"session.id": SESSION},
    },
)  # fmt: skip
RESPONSE = _envelope(
    "span",
    {
        "items": [
            _span(
                "http.client", 0.25, url__full=ENDPOINT + "?card=1", http__request__method="POST",
                http__response__status_code=500,
            )
        ]
    },
)  # fmt: skip
