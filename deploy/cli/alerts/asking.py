"""Asks the gateway one question over HTTP, with a key.

Spans are seconds. Nothing is repeated by itself: who asks sees what became of it.
"""

from collections.abc import Mapping
from typing import Any

import httpx2

from shared.errors import Rejected, Unavailable

LIMIT_S = 30.0
"""A whole exchange."""


def answer(url: str, key: str, method: str, path: str, *, body: Any, params: Mapping[str, str]) -> Any:
    """The body of an answer. Raises `Rejected` for a refusal, and `Unavailable`."""
    try:
        with httpx2.Client(base_url=url, timeout=LIMIT_S, headers={"x-api-key": key}) as client:
            found = client.request(method, path, json=body, params=dict(params) or None)
    except httpx2.TransportError as problem:
        raise Unavailable("the gateway", repr(problem)) from problem
    if found.is_success:
        return found.json()
    try:
        said = found.json()
        refusal = Rejected(said["code"], said["message"])
    except (ValueError, KeyError, TypeError):
        refusal = Rejected(str(found.status_code), found.text[:200])
    raise refusal
