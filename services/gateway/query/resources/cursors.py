"""Pages of rows: where one ended, signed, so that a client can neither read nor change what it goes on with.

Milliseconds UTC. A cursor belongs to one tenant and one filter, and is good for an hour.
"""

import base64
import hmac
from collections.abc import Sequence
from hashlib import blake2b
from typing import Any
from urllib.parse import urlencode

import msgspec
from fastapi import Request, Response

from services.gateway.http.problems import Problem
from shared.postgres import installation
from shared.postgres.connections import Pool
from shared.postgres.instants import at

LIFE_MS = 3_600_000
"""How long a cursor is good for."""

MAX_CHARACTERS = 2_000
"""Longest cursor that is looked at."""

_SIGNATURE_BYTES = 16


class Cursors:
    """Makes cursors and reads them, for one kind of rows."""

    def __init__(self, secret: bytes, rows: str) -> None:
        self._key = blake2b(rows.encode(), key=secret[:64], digest_size=32).digest()

    def after(self, filters: Sequence[Any], place: Sequence[Any], now_ms: int) -> str:
        """The cursor of the page after a row whose sort key is `place`."""
        packed = msgspec.msgpack.encode((now_ms, _digest(filters), list(place)))
        return base64.urlsafe_b64encode(self._signature(packed) + packed).decode().rstrip("=")

    def position(self, cursor: str, filters: Sequence[Any], now_ms: int) -> list[Any]:
        """The sort key that the page begins after; raise `Problem` for a cursor of others, or one that is too old."""
        mismatch = Problem(
            400, "cursor_mismatch", "cursor: belongs to another question; ask for the first page"
        )
        if len(cursor) > MAX_CHARACTERS:
            raise mismatch
        try:
            signed = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
        except ValueError as error:
            raise mismatch from error
        signature, packed = signed[:_SIGNATURE_BYTES], signed[_SIGNATURE_BYTES:]
        if not hmac.compare_digest(signature, self._signature(packed)):
            raise mismatch
        made_ms, digest, place = msgspec.msgpack.decode(packed)
        if digest != _digest(filters):
            raise mismatch
        if now_ms - made_ms > LIFE_MS:
            raise Problem(410, "cursor_expired", "cursor: is older than an hour; ask for the first page")
        return list(place)

    def _signature(self, packed: bytes) -> bytes:
        return blake2b(packed, key=self._key, digest_size=_SIGNATURE_BYTES).digest()


def with_next(made: Response, request: Request, following: str | None) -> Response:
    """The answer, with a link to the page after it where there is one."""
    if following:
        kept = [(name, value) for name, value in request.query_params.multi_items() if name != "cursor"]
        parameters = urlencode([*kept, ("cursor", following)])
        made.headers["link"] = f'<{request.url.path}?{parameters}>; rel="next"'
    return made


def kept_of(from_ms: int, kept_since_ms: int) -> dict[str, object]:
    """What an answer says of the tables that it was read from: since when they have rows, and whether some may miss."""
    since = at(kept_since_ms).isoformat().replace("+00:00", "Z")
    missing = f"rows before {since} are not in the tables: none came, or they have gone, or are in the archive alone"
    return {"kept_since_ms": kept_since_ms, "warnings": [missing] if from_ms < kept_since_ms else []}


class SignedCursors:
    """Cursors that the secret of the installation signs, which is read when one is asked for."""

    def __init__(self, pool: Pool, rows: str) -> None:
        self._pool = pool
        self._rows = rows
        self._made: Cursors | None = None

    async def cursors(self) -> Cursors:
        """Raises `Unavailable`."""
        if self._made is None:
            self._made = Cursors(await installation.secret_now(self._pool), self._rows)
        return self._made


def _digest(filters: Sequence[Any]) -> bytes:
    return blake2b(msgspec.msgpack.encode(list(filters)), digest_size=16).digest()
