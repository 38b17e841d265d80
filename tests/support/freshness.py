"""Bodies as if they had been made now: every time in them that lies near their own day is moved.

Texts are known by their digits, protobuf by its eight little bytes of nanoseconds or its varint of milliseconds.
"""

import re
from datetime import UTC, datetime, timedelta

NEAR_MS = 30 * 24 * 3600 * 1000
"""How far from the day of a body a number may lie to be taken for a time."""

_NUMBER = re.compile(rb"(?<![\d.])(\d{10}|\d{13}|\d{16}|\d{19})(?!\d)")
_INSTANT = re.compile(rb"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d")
_VARINT = re.compile(rb"[\x80-\xff]{5}[\x01-\x7f]", re.DOTALL)
_FORM = "%Y-%m-%dT%H:%M:%S"
_PER_MS = {10: 0.001, 13: 1, 16: 1000, 19: 1_000_000}


def fresh(body: bytes, made_at_ms: int, now_ms: int) -> bytes:
    """The body of that day, moved to now."""
    moved_ms = now_ms - made_at_ms

    def number(found: re.Match[bytes]) -> bytes:
        digits = found[0]
        per_ms = _PER_MS[len(digits)]
        if abs(int(digits) / per_ms - made_at_ms) > NEAR_MS:
            return digits
        return b"%d" % (int(digits) + int(moved_ms * per_ms))

    def instant(found: re.Match[bytes]) -> bytes:
        at = datetime.strptime(found[0].decode(), _FORM).replace(tzinfo=UTC) + timedelta(
            milliseconds=moved_ms
        )
        return at.strftime(_FORM).encode()

    def varint(found: re.Match[bytes]) -> bytes:
        value = sum((byte & 127) << 7 * place for place, byte in enumerate(found[0]))
        if abs(value - made_at_ms) > NEAR_MS:
            return found[0]
        value += moved_ms
        return bytes((value >> 7 * place & 127) | (128 if place < 5 else 0) for place in range(6))

    text = _INSTANT.sub(instant, _NUMBER.sub(number, body))
    return _VARINT.sub(varint, _fixed(text, made_at_ms, moved_ms))


def _fixed(body: bytes, made_at_ms: int, moved_ms: int) -> bytes:
    moved = bytearray(body)
    at = 0
    while at + 8 <= len(moved):
        value = int.from_bytes(moved[at : at + 8], "little")
        if abs(value // 1_000_000 - made_at_ms) <= NEAR_MS:
            moved[at : at + 8] = (value + moved_ms * 1_000_000).to_bytes(8, "little")
            at += 8
        else:
            at += 1
    return bytes(moved)
