"""The body of a PostHog client: its bytes say what it is, its headers do not.

Gzip, a form with one field of base64, or JSON. Bytes.
"""

from base64 import b64decode
from binascii import Error
from contextlib import suppress
from urllib.parse import unquote_to_bytes

import msgspec

from services.gateway.http.body import inflate, too_large
from services.gateway.http.problems import Problem
from services.gateway.intake.columns.json import BROKEN, mended

GZIP = b"\x1f\x8b"

FORM = b"data="

_outer = msgspec.json.Decoder(dict[str, msgspec.Raw] | list[msgspec.Raw]).decode
_text = msgspec.json.Decoder(str | None).decode


def opened(body: bytes, limit: int) -> bytes:
    """The JSON of a body; raise `Problem` for more than `limit` bytes, or for what cannot be opened."""
    plain = inflate(body, limit) if body.startswith(GZIP) else body
    if plain.startswith(FORM):
        plain = _field(plain)
        plain = inflate(plain, limit) if plain.startswith(GZIP) else plain
    if len(plain) > limit:
        raise too_large(limit)
    return plain


def opened_gzip(body: bytes, limit: int) -> bytes:
    """The JSON of a body whose header says that it is gzip."""
    return opened(inflate(body, limit), limit)


def keys_of(body: bytes) -> set[str]:
    """The project keys that a body names: beside its batch, else in its first event."""
    try:
        return _keys_in(body)
    except BROKEN:
        # Half of a character, as browsers write it, or a number that JSON does not have must not hide the key.
        with suppress(*BROKEN):
            return {key for key in _keys_in(mended(body)) if key.isascii()}
        return set()


def _keys_in(body: bytes) -> set[str]:
    """The same; raise what `BROKEN` names."""
    outer = _outer(body)
    fields = outer if isinstance(outer, dict) else _outer(outer[0]) if outer else {}
    if not isinstance(fields, dict):
        return set()
    found = _keys(fields)
    return found or _keys(_outer(fields.get("properties", b"{}")))


def _keys(fields: object) -> set[str]:
    if not isinstance(fields, dict):
        return set()
    said = [_text(fields[name]) for name in ("api_key", "token", "$token") if name in fields]
    return {key for key in said if key}


def _field(form: bytes) -> bytes:
    try:
        return b64decode(unquote_to_bytes(form[len(FORM) :].partition(b"&")[0]))
    except Error as error:
        raise Problem(400, "bad_form", "data: must be base64") from error
