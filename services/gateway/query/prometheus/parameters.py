"""The parameters of the routes, from the query string and from forms, as clients of Prometheus write them.

Times are seconds or RFC 3339 outside and milliseconds UTC inside. A wrong one is refused with its name.
"""

import math
import re
from collections.abc import Sequence
from datetime import datetime
from urllib.parse import parse_qsl

import msgspec
from fastapi import Request
from promql_parser import parse_duration

from services.gateway.query.prometheus.errors import QueryError, bad_data
from services.gateway.query.prometheus.evaluation.reading import Instants
from shared.postgres.instants import ms_of

MAX_FORM_BYTES = 65_536
"""Longest form."""

MAX_TIME_MS = 1 << 47
"""Latest instant: the year 6429."""

MAX_SPAN_S = 400 * 366 * 24 * 3600
"""Longest step or limit of time."""

_FORM = b"application/x-www-form-urlencoded"
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)


class Parameters:
    """All values of each parameter; those of the form come first."""

    def __init__(self, pairs: Sequence[tuple[str, str]]) -> None:
        self._values: dict[str, list[str]] = {}
        for name, value in pairs:
            self._values.setdefault(name, []).append(value)

    def all(self, name: str) -> list[str]:
        """Every value of a parameter."""
        return self._values.get(name, [])

    def text(self, name: str) -> str:
        """The first value, empty where there is none."""
        return self._values.get(name, [""])[0]

    def time_ms(self, name: str, default_ms: int | None = None) -> int:
        """An instant; without a default it must be given."""
        text = self.text(name)
        if not text and default_ms is not None:
            return default_ms
        found_ms = _time_ms(text)
        if found_ms is None or not 0 <= found_ms < MAX_TIME_MS:
            raise wrong(name, f'cannot parse "{text}" to a valid timestamp')
        return found_ms

    def span_ms(self, name: str, default_ms: int | None = None) -> int:
        """A span, seconds or such as `5m`; without a default it must be given."""
        text = self.text(name)
        if not text and default_ms is not None:
            return default_ms
        found_s = float(text) if _NUMBER.fullmatch(text) else _duration_s(text)
        if found_s is None or not abs(found_s) <= MAX_SPAN_S:
            raise wrong(name, f'cannot parse "{text}" to a valid duration')
        return round(found_s * 1000)

    def limit(self, name: str = "limit") -> int:
        """Most things of an answer, 0: all."""
        text = self.text(name) or "0"
        if not re.fullmatch(r"\d{1,15}", text, re.ASCII):
            raise wrong(name, "limit must be non-negative")
        return int(text)

    def instants(self) -> Instants:
        """The instants of a range."""
        start_ms, end_ms = self.time_ms("start"), self.time_ms("end")
        if end_ms < start_ms:
            raise wrong("end", "end timestamp must not be before start time")
        step_ms = self.span_ms("step")
        if step_ms <= 0:
            raise wrong(
                "step",
                "zero or negative query resolution step widths are not accepted. Try a positive integer",
            )
        return Instants(start_ms, step_ms, (end_ms - start_ms) // step_ms + 1)


def wrong(name: str, message: str) -> QueryError:
    """The refusal of a parameter."""
    return bad_data(f'invalid parameter "{name}": {message}')


async def parameters_of(request: Request) -> Parameters:
    """The parameters of a request; raise `QueryError` for a form that is too long."""
    pairs: list[tuple[str, str]] = []
    if request.method == "POST" and request.headers.get("content-type", "").encode().startswith(_FORM):
        form = bytearray()
        async for chunk in request.stream():
            form += chunk
            if len(form) > MAX_FORM_BYTES:
                raise bad_data(f"the form is longer than {MAX_FORM_BYTES} bytes")
        pairs = _pairs(bytes(form).decode("utf-8", "replace"))
    return Parameters([*pairs, *_pairs(request.url.query)])


def _pairs(text: str) -> list[tuple[str, str]]:
    try:
        return parse_qsl(text, keep_blank_values=True, max_num_fields=1_000)
    except ValueError as error:
        raise bad_data("more than 1,000 parameters") from error


def _time_ms(text: str) -> int | None:
    if _NUMBER.fullmatch(text):
        found_s = float(text)
        return round(found_s * 1000) if math.isfinite(found_s) else None
    try:
        # A plus in a query string is a blank.
        instant = msgspec.convert(text.replace(" ", "+"), datetime)
    except msgspec.ValidationError:
        return None
    return ms_of(instant) if instant.tzinfo else None


def _duration_s(text: str) -> float | None:
    try:
        return parse_duration(text).total_seconds()
    except (ValueError, OverflowError):
        return None
