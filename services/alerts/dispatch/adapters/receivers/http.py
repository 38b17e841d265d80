"""One POST to a receiver over HTTP, and what its answer means.

Spans are seconds. Invariant: an exchange ends within its limit whatever the other side does, only 2xx means delivered,
nobody is sent anywhere else by a redirect, and no address stands in a log, for it may hold a secret.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from email.utils import parsedate_to_datetime

import httpx2

from services.alerts.dispatch.ports import DELIVERED, DeliveryResult, Payload
from shared.runtime.clock import monotonic_s, now_ms

LIMIT_S = 10.0
"""A whole exchange: connecting, sending, the answer."""

MAX_ANSWER_BYTES = 4096
"""What is read of an answer."""

MAX_RETRY_AFTER_S = 3600.0
"""Longest pause that a receiver may ask for."""

_SHOWN = 200
_KEPT_OPEN_S = 4.0
_TRY_AGAIN = frozenset({408, 425, 429})
_TOO_LARGE = 413


class Poster:
    """Posts to one address."""

    def __init__(self, url: str, concurrency: int, limit_s: float = LIMIT_S) -> None:
        self._url = url
        self._limit_s = limit_s
        limits = httpx2.Limits(
            max_connections=concurrency, max_keepalive_connections=concurrency, keepalive_expiry=_KEPT_OPEN_S
        )
        # The address is given in full: no proxy and no password comes from the environment.
        self._client = httpx2.AsyncClient(
            limits=limits, timeout=limit_s, follow_redirects=False, trust_env=False
        )

    async def post(self, payload: Payload, headers: Mapping[str, str]) -> DeliveryResult:
        """Post it and classify the response."""
        status, retry_after = 0, ""
        sent = {
            "Content-Type": "application/json",
            "Content-Length": str(len(payload.body)),
            "User-Agent": "tidegauge-alerts",
            **headers,
        }
        try:
            async with (
                asyncio.timeout(self._limit_s),
                self._client.stream("POST", self._url, content=_body(payload), headers=sent) as response,
            ):
                status, retry_after = response.status_code, response.headers.get("retry-after", "")
                text = await _beginning(response)
        except TimeoutError as problem:
            text = str(problem) or f"no whole answer within {self._limit_s:g} s"
        except (httpx2.HTTPError, OSError) as problem:
            text = repr(problem)
        return result_of(status, retry_after, text)

    async def close(self) -> None:
        """Let the connections go."""
        await self._client.aclose()


async def _body(payload: Payload) -> AsyncIterator[bytes]:
    """The body, unless the claim has lapsed: a process that was frozen until now must not speak out of turn."""
    if monotonic_s() >= payload.lease_end_s:
        raise TimeoutError("the lease ended before it was delivered")
    yield payload.body


async def _beginning(response: httpx2.Response) -> str:
    """The first bytes of the answer, as they came."""
    read = b""
    async for chunk in response.aiter_raw():
        read += chunk
        if len(read) >= MAX_ANSWER_BYTES:
            break
    return read[:MAX_ANSWER_BYTES].decode(errors="replace")


def result_of(status: int, retry_after: str, text: str) -> DeliveryResult:
    """What an answer means; status 0 is none at all."""
    if 200 <= status < 300:
        return DELIVERED
    shown = "".join(char if char.isprintable() else " " for char in text)[:_SHOWN].strip()
    problem = f"{status}: {shown}" if status else shown
    if status == _TOO_LARGE:
        return DeliveryResult("too_large", problem)
    if 400 <= status < 500 and status not in _TRY_AGAIN:
        return DeliveryResult("refused", problem, _pause_s(retry_after))
    return DeliveryResult("again", problem, _pause_s(retry_after))


def _pause_s(retry_after: str) -> float:
    """The pause asked for in seconds or as a date, within bounds; 0 when it cannot be understood."""
    try:
        wanted_s = float(retry_after) if retry_after.isdecimal() else _until_s(retry_after)
    except (ValueError, TypeError, OverflowError):
        return 0.0
    return min(max(wanted_s, 0.0), MAX_RETRY_AFTER_S)


def _until_s(date: str) -> float:
    return parsedate_to_datetime(date).timestamp() - now_ms() / 1000
