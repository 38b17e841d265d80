"""What all JSON bodies have in common: times, labels, what is mended in them, and the refusal of what is no JSON.

Milliseconds UTC. Invariant: a refusal holds nothing of what was in the body.
"""

import re
from collections.abc import Collection
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from math import isfinite
from typing import Annotated, Any

import msgspec
import orjson

from services.gateway.intake.steps import Steps, finished
from shared.errors import Rejected

Instant = Annotated[datetime, msgspec.Meta(tz=True)]
"""RFC 3339 with a zone."""

LABELS = "labels: must be an object of texts, numbers or bools, in valid UTF-8"
"""What a refusal says of labels."""

INSTANT = "must be integer milliseconds or RFC 3339 with a zone"
"""What a refusal says of a time."""

BROKEN = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What decoding raises for a body that is no JSON; a body of other fields raises msgspec's `ValidationError`."""

_HALF = re.compile(
    rb"((?:[^\\]++|\\[^u]|\\u(?![dD][89a-fA-F])|\\u[dD][89abAB]HH\\u[dD][c-fC-F]HH){0,20000}+)(\\u[dD][89a-fA-F]HH)?".replace(
        b"H", b"[0-9a-fA-F]"
    )
)
"""So much up to a half of a pair that stands alone, and the half; possessive, so that its time is linear."""

_ANY_HALF = re.compile(rb"\\u[dD][89a-fA-F]")

_NO_NUMBER = re.compile(rb'((?:[^"NI]++|"(?:[^"\\]++|\\.)*+"?){0,20000}+)(NaN|Infinity)?', re.DOTALL)
"""So much up to a number that JSON does not have, and the number; possessive, so that its time is linear."""

_UNKNOWN = rb"\ufffd"
"""What stands for half a pair."""

_BEYOND = b"1e999"
"""JSON, and beyond what any number holds: who reads it refuses it."""

MAX_MENDED_BYTES = 1 << 20
"""Largest body that is mended, so that it never takes more than a tenth of a second."""

STEP_BYTES = 1 << 16
"""How much is mended in a step."""

SENT_AT = b'"sent_at"'
"""The field that says when a client sent a body."""

EDGE_BYTES = 256
"""How much is looked at of a body's beginning and end."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_FAR_MS = 1 << 62

_outer = msgspec.json.Decoder(dict[str, msgspec.Raw] | list[msgspec.Raw])
_list = msgspec.json.Decoder(list[msgspec.Raw])
_BLANKS = (b" ", b"\n", b"\t", b"\r")

_members = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_labels = msgspec.json.Decoder(dict[str, str])
_text = msgspec.json.Decoder(str).decode
_FIELD = re.compile(r"`\$\.(\w+)|field `(\w+)`")


def time_of(ts: int | datetime | None, received_at_ms: int) -> int:
    """An event time as a client says it; none: when it was received."""
    if ts is None:
        return received_at_ms
    return whole_ms(ts) if isinstance(ts, int) else (ts - _EPOCH) // _MILLISECOND


def instant_of(ts: object) -> int | datetime:
    """A time that stood in a JSON document; raise `Rejected`."""
    if isinstance(ts, (int, float)) and not isinstance(ts, bool):
        return whole_ms(ts)
    try:
        return msgspec.convert(ts, Instant)
    except msgspec.ValidationError as error:
        raise Rejected("invalid_ts", f"ts: {INSTANT}") from error


def labels_of_text(text: msgspec.Raw | bytes) -> dict[str, str]:
    """The labels of a point, none where there is no text or null; raise `Rejected`.

    A number or a bool is the text that it is written with, and null is as if it were absent.
    """
    if bytes(text) in (b"", b"null"):
        return {}
    try:
        return _labels.decode(text)
    except msgspec.ValidationError:
        return _labels_of_any(text)
    except BROKEN as error:
        raise Rejected("invalid_labels", LABELS) from error


def _labels_of_any(text: msgspec.Raw | bytes) -> dict[str, str]:
    try:
        members = _members(text)
        return {name: _label(bytes(value)) for name, value in members.items() if bytes(value) != b"null"}
    except BROKEN as error:
        raise Rejected("invalid_labels", LABELS) from error


def _label(value: bytes) -> str:
    """The text of a label's value; raise what `BROKEN` names for a list, an object or a number without end."""
    if value in (b"true", b"false") or (is_number(value) and isfinite(float(value))):
        return value.decode()
    return _text(value)


def is_number(value: bytes) -> bool:
    """Whether a JSON value is a number."""
    return value[:1] == b"-" or value[:1].isdigit()


def eased(raw: msgspec.Raw | bytes, times: Collection[str], texts: Collection[str] = ()) -> bytes:
    """An object without what is null, with whole milliseconds for `times` and texts for numbers of `texts`.

    For an object that did not fit: what is absent may be said with null, a clock may have fractions and an id may be a
    number. Raises what `BROKEN` names for anything but an object.
    """
    members = {name: bytes(value) for name, value in _members(raw).items()}
    kept = {name: value for name, value in members.items() if value != b"null"}
    for name in kept.keys() & {*times, *texts}:
        if is_number(kept[name]):
            kept[name] = whole(kept[name]) if name in times else b'"%b"' % kept[name]
    return msgspec.json.encode({name: msgspec.Raw(value) for name, value in kept.items()})


def whole(number: bytes) -> bytes:
    """The whole part of a time that was written with a fraction or an exponent, as far as 64 bits hold it."""
    if not number.strip(b"-0123456789"):
        return number
    value = float(number)
    return b"%d" % whole_ms(value) if isfinite(value) else number


def whole_ms(ts: float) -> int:
    """The milliseconds of a finite time; what no 64-bit integer holds is as far from now as the largest that does."""
    return max(-_FAR_MS, min(_FAR_MS, int(ts)))


def misfitting_field(problem: str) -> str:
    """The field that does not fit, empty where it is none in particular; from what msgspec says of it."""
    found = _FIELD.search(problem)
    return next((name for name in found.groups() if name), "") if found else ""


def malformed(error: Exception) -> Rejected:
    """The refusal of a body that could not be decoded."""
    if isinstance(error, RecursionError):
        return Rejected("malformed_json", "body: nested too deeply")
    return Rejected("malformed_json", "body: must be one JSON document in UTF-8")


def is_plain(body: bytes) -> bool:
    """Whether no text can hold more than printable ASCII, as JSON has all control characters but one escaped."""
    return body.isascii() and b"\\" not in body and b"\x7f" not in body


def may_say(body: bytes, field: bytes) -> bool:
    """Whether a body may have this field before or behind its list; to look through all of it costs half a decoding."""
    return field in body[:EDGE_BYTES] or field in body[-EDGE_BYTES:]


def canonical(body: bytes) -> bytes:
    """A JSON body without blanks and its field `sent_at`, which may differ in a repeat; any other as it came."""
    if not any(blank in body for blank in _BLANKS) and not may_say(body, SENT_AT):
        return body
    try:
        compact = msgspec.json.format(body, indent=-1)
        if not compact.startswith(b"{") or b'"sent_at"' not in compact:
            return compact
        members = _members(compact)
    except BROKEN:
        return body
    members.pop("sent_at", None)
    return msgspec.json.encode(members)


def mended(body: bytes) -> bytes:
    """The body as `mending` has it, unless it is too large to be done at once."""
    return body if len(body) > MAX_MENDED_BYTES else finished(mending(body))


def mending(body: bytes) -> Steps[bytes]:
    """The body with U+FFFD for each half of a pair that stands alone, as browsers write a text that was cut in two.

    NaN and Infinity, which JSON does not have, become a number that is refused where it stands.
    """
    if _ANY_HALF.search(body):
        body = yield from _replaced(body, _HALF, _UNKNOWN)
    if b"NaN" in body or b"Infinity" in body:
        body = yield from _replaced(body, _NO_NUMBER, _BEYOND)
    return body


def _replaced(body: bytes, pattern: re.Pattern[bytes], instead: bytes) -> Steps[bytes]:
    """The body with another text for whatever is the second group of the pattern."""
    written = bytearray()
    at = paused_at = 0
    while at < len(body):
        found = pattern.match(body, at)
        if found is None or found.end() == at:
            written += body[at : at + 1]
            at += 1
        else:
            written += found[1]
            if found[2]:
                written += instead
            at = found.end()
        if at - paused_at > STEP_BYTES:
            paused_at = at
            yield
    return bytes(written)


def items_of(body: bytes, name: str) -> list[bytes]:
    """The bytes of each item of a body: one object, a list, or either under a name; raise `Rejected`."""
    content = mended(body)
    try:
        outer = _outer.decode(content)
        found = outer.get(name, content) if isinstance(outer, dict) else content
        one = bytes(found).strip()
        return list(map(bytes, _list.decode(one))) if one.startswith(b"[") else [one]
    except msgspec.ValidationError as error:
        raise Rejected("invalid_body", f"{name}: must be an object, or a list of objects") from error
    except BROKEN as error:
        raise malformed(error) from error


def object_of(raw: bytes | msgspec.Raw) -> dict[str, Any]:
    """What an item holds; raise `Rejected` for what is no object."""
    try:
        item = orjson.loads(memoryview(raw))
    except orjson.JSONDecodeError as error:
        raise Rejected("invalid_item", "item: holds a number or a text that cannot be read") from error
    if not isinstance(item, dict):
        raise Rejected("invalid_item", "item: must be an object")
    return item


def readable_of(raw: bytes | msgspec.Raw) -> dict[str, Any]:
    """What an object holds, empty texts for the members that cannot be read; raise `Rejected` for what is no object.

    For what a body says beside its items: a number that JSON does not have is no reason to refuse them all.
    """
    try:
        return object_of(raw)
    except Rejected:
        try:
            members = _members(raw)
        except BROKEN:
            members = {}
        if not members:
            raise
    found: dict[str, Any] = dict.fromkeys(members, "")
    for name, value in members.items():
        with suppress(orjson.JSONDecodeError):
            found[name] = orjson.loads(memoryview(value))
    return found
