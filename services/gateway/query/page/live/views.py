"""Named sets of questions for the live stream, so that pages of one kind share their answers. Pure.

A view is asked with the conditions of the page; a question whose metric bears none of the labels of a condition is
refused by itself, and the others are answered.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from services.gateway.http.problems import Problem
from services.gateway.query.questions.question import MAX_CONDITIONS

SPAN = {"from": "now-15m", "to": "now"}

_OVERVIEW: Sequence[Mapping[str, Any]] = (
    {"id": "requests", "metric": "api.response_seconds", "aggregates": ["rate", "count", "p50", "p95", "p99"]},
    {"id": "statuses", "metric": "api.response_seconds", "aggregates": ["count"], "by": ["status"], "top": {"n": 20}},
    {"id": "endpoints", "metric": "api.response_seconds", "aggregates": ["count", "p95"], "by": ["endpoint"],
     "top": {"n": 8, "of": "count"}},
    {"id": "lcp", "metric": "web_vital.lcp", "aggregates": ["p75", "count"]},
    {"id": "inp", "metric": "web_vital.inp", "aggregates": ["p75", "count"]},
    {"id": "cls", "metric": "web_vital.cls", "aggregates": ["p75", "count"]},
    {"id": "errors", "metric": "events.count", "aggregates": ["count"], "where": ["type=error"]},
    {"id": "events", "metric": "events.count", "aggregates": ["count"], "by": ["type"], "top": {"n": 20}},
)  # fmt: skip

VIEWS: Mapping[str, Sequence[Mapping[str, Any]]] = {"overview": _OVERVIEW}
"""The questions of each view, in windows of 10 s over 15 minutes."""


def body_of(view: str, where: Sequence[str], q: str) -> bytes:
    """What is asked, as the body of `POST /v1/query`; raise `Problem` for nothing, or both."""
    if bool(view) is bool(q):
        raise Problem(400, "invalid_view", "view: name one, or ask by `q`, and not both")
    if q:
        return q.encode()
    if view not in VIEWS:
        raise Problem(400, "invalid_view", f"view: must be one of {', '.join(VIEWS)}")
    if len(where) > MAX_CONDITIONS:
        raise Problem(400, "invalid_where", f"where: at most {MAX_CONDITIONS} conditions")
    questions = [
        {**each, "where": [*each.get("where", ()), *where], "resolution": "10s"} for each in VIEWS[view]
    ]
    return orjson.dumps({**SPAN, "questions": questions})
