"""Our own JSON: a client writes the names of the table by itself."""

import orjson

from tests.support.doors.sent import ERROR_ROW, RESPONSE_ROW, SESSION, TYPE, VITAL_ROW, Sent


def _point(row: dict[str, object]) -> Sent:
    point = {"name": row["metric"], **{name: row[name] for name in ("kind", "unit", "value", "labels")}}
    return Sent("/v1/telemetry", orjson.dumps({"points": [point]}))


VITAL = _point(VITAL_ROW)
ERROR = Sent(
    "/v1/events",
    orjson.dumps(
        {
            "events": [
                {
                    "event_id": "e-1", "type": "error", "name": TYPE, "ts": ERROR_ROW["ts_ms"],
                    "session_id": SESSION, "properties": ERROR_ROW["properties"],
                }
            ]
        }
    ),
)  # fmt: skip
RESPONSE = _point(RESPONSE_ROW)
