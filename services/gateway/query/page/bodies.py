"""Small JSON bodies of requests that change something, and how they are refused.

Bytes.
"""

from typing import TypeVar

import msgspec
from fastapi import Request

from services.gateway.http.problems import Problem

MAX_BODY_BYTES = 16 << 10
"""Largest of them."""

T = TypeVar("T")


async def body_of(request: Request, kind: type[T]) -> T:
    """The body as what it should be; raise `Problem` that names the field that is wrong."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BODY_BYTES:
            raise Problem(413, "body_too_large", f"the body has at most {MAX_BODY_BYTES} bytes")
    try:
        return msgspec.json.decode(bytes(body), type=kind)
    except msgspec.ValidationError as error:
        reason, _, place = str(error).partition(" - at `$")
        name = place.rstrip("`").strip(".") or "body"
        raise Problem(400, "invalid_request", f"{name}: {reason}") from error
    except msgspec.DecodeError as error:
        raise Problem(400, "malformed_json", f"the body is no JSON: {error}") from error
