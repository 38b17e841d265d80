"""The parameters that all read routes share: how they are written, and how they are refused.

A wrong parameter is answered 400 with its name. A question that cannot be answered now gets a 503 with `Retry-After`.
Times are read by `questions.calendar.time_of`, as those of questions are.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import orjson
from fastapi import Response

from services.gateway.http.problems import Problem
from services.gateway.http.schemas import ProblemBody
from shared.errors import Rejected, Unavailable, UnknownVersion

REFUSALS: dict[int | str, dict[str, Any]] = {
    400: {"model": ProblemBody, "description": "A parameter is wrong"},
    401: {"model": ProblemBody, "description": "No known key"},
    403: {"model": ProblemBody, "description": "The key may not read"},
    503: {"model": ProblemBody, "description": "The tables cannot be read now"},
}
"""Answers of a read route other than 200."""

UNKNOWN: dict[int | str, dict[str, Any]] = {404: {"model": ProblemBody, "description": "No such name"}}
"""One more for routes that name a thing."""

_INTEGER = re.compile(r"-?\d{1,15}")


@contextmanager
def asking(retry_after_s: int = 1) -> Iterator[None]:
    """Turn what the inside refuses into the answer that a client gets."""
    try:
        yield
    except Rejected as error:
        raise Problem(400, error.code, error.message) from error
    except Unavailable as error:
        raise Problem(503, "unavailable", "the tables cannot be read now", retry_after_s) from error
    except UnknownVersion as error:
        raise Problem(503, "unavailable", f"not readable by this build: {error}", retry_after_s) from error


def answer(body: object, status: int = 200) -> Response:
    """The body as JSON."""
    return Response(orjson.dumps(body), status, media_type="application/json")


def text_of(field: str, text: str) -> str:
    """The text itself; raise `Rejected` when Postgres could not hold it."""
    if "\x00" in text or any("\ud800" <= letter <= "\udfff" for letter in text):
        raise Rejected(f"invalid_{field}", f"{field}: holds characters that no name has")
    return text


def integer_of(field: str, text: str) -> int:
    """A whole number."""
    if not _INTEGER.fullmatch(text):
        raise Rejected(f"invalid_{field}", f"{field}: must be an integer")
    return int(text)
