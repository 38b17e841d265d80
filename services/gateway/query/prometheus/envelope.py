"""The bodies that clients of Prometheus read: `status`, `data`, `errorType`, `error`, `warnings`, `infos`.

Times are seconds, as numbers; values are texts, since JSON has neither NaN nor infinity.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import orjson
from fastapi import Response

from services.gateway.query.prometheus.errors import QueryError
from services.gateway.query.prometheus.evaluation.reading import Instants
from services.gateway.query.prometheus.evaluation.vectors import Scalar, Vector
from services.gateway.query.prometheus.service import Answer

STATUS = {
    "bad_data": 400, "unauthorized": 401, "not_found": 404, "execution": 422, "internal": 500,
    "timeout": 503, "unavailable": 503,
}  # fmt: skip
"""HTTP status by kind of error."""

TRUNCATED = "results truncated due to limit"
"""What Prometheus says of an answer that was cut."""


class Reply(NamedTuple):
    """An answer of one of the routes."""

    data: Any
    warnings: Sequence[str] = ()
    infos: Sequence[str] = ()


def success(reply: Reply) -> Response:
    """A body with data."""
    body: dict[str, Any] = {"status": "success", "data": reply.data}
    body |= {
        name: list(lines) for name, lines in (("warnings", reply.warnings), ("infos", reply.infos)) if lines
    }
    return Response(orjson.dumps(body, option=orjson.OPT_SERIALIZE_NUMPY), media_type="application/json")


def failure(
    error: QueryError, status: int = 0, headers: dict[str, str] | None = None, code: str = ""
) -> Response:
    """A body that says why there are no data; `code` is that of a refusal that all routes share."""
    body = {"status": "error", "errorType": error.error_type, "error": error.message}
    body |= {"code": code} if code else {}
    return Response(
        orjson.dumps(body), status or STATUS[error.error_type], headers, media_type="application/json"
    )


def reply_of(answer: Answer, instants: Instants, *, is_range: bool, limit: int) -> Reply:
    """An answer as data; at most `limit` series, 0: all."""
    value = answer.value
    if isinstance(value, str):
        return Reply({"resultType": "string", "result": [seconds(instants.start_ms), value]})
    if not isinstance(value, Vector):
        if not is_range:
            return Reply(
                {"resultType": "scalar", "result": [seconds(instants.start_ms), text_of(float(value[0]))]}
            )
        value = Vector([()], value[np.newaxis], np.ones((1, len(value)), np.bool_))
    warnings = [TRUNCATED] if 0 < limit < len(value.labels) else []
    shown = value.labels[:limit] if limit else value.labels
    rows = range(len(shown)) if is_range or not answer.order else answer.order[: len(shown)]
    result = _matrix(value, instants, rows) if is_range else _vector(value, instants, rows)
    data = {"resultType": "matrix" if is_range else "vector", "result": result}
    return Reply(data, warnings, answer.infos)


def _vector(value: Vector, instants: Instants, rows: Sequence[int]) -> list[dict[str, Any]]:
    time_s = seconds(instants.start_ms)
    return [
        {"metric": dict(value.labels[row]), "value": [time_s, text_of(float(value.values[row, 0]))]}
        for row in rows
    ]


def _matrix(value: Vector, instants: Instants, rows: Sequence[int]) -> list[dict[str, Any]]:
    times_s = [seconds(ms) for ms in instants.times_ms().tolist()]
    return [
        {"metric": dict(value.labels[row]), "values": _values(times_s, value.values[row], value.present[row])}
        for row in rows
    ]


def _values(times_s: list[float], values: Scalar, present: Any) -> list[list[float | str]]:
    return [
        [time_s, text_of(number)]
        for time_s, number, there in zip(times_s, values.tolist(), present.tolist(), strict=True)
        if there
    ]


def seconds(ms: int) -> float:
    """An instant in seconds, whole ones without a point."""
    return ms // 1000 if ms % 1000 == 0 else ms / 1000


_SMALL, _LARGE = 1e-6, 1e21


def text_of(value: float) -> str:
    """A number as Prometheus writes it: the shortest that reads back, exponents only below 1e-6 and from 1e21 on."""
    text = repr(value)
    if text[-2:] == ".0":
        return text[:-2]
    if "e" not in text and "n" not in text:
        return text
    if not np.isfinite(value):
        return "NaN" if np.isnan(value) else "+Inf" if value > 0 else "-Inf"
    if _SMALL <= abs(value) < _LARGE:
        return np.format_float_positional(value, trim="-")
    return text
