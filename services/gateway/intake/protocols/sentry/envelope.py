"""The framing of an envelope: a line of header, then for each item a line of header and a payload.

Source: develop.sentry.dev, envelopes. A payload has the length that its header says, else it ends with its line.
Invariant: a body cut anywhere behind its first line gives the items that were whole, and an item whose length is wrong
takes none of its neighbours with it.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import orjson

from services.gateway.intake.columns.json import mended, readable_of
from shared.errors import Rejected

MAX_HEADER_BYTES = 8192
"""Longest line that is looked at as the header of an item."""

_NEWLINE = 10


class Item(NamedTuple):
    """A part of an envelope."""

    type: str
    payload: bytes


class Envelope(NamedTuple):
    """An envelope as it was framed."""

    header: Mapping[str, Any]
    items: list[Item | Rejected]
    """In their order; what could not be framed says why."""


def envelope_of(body: bytes, most: int) -> Envelope:
    """The envelope of a body, as far as `most` items; raise `Rejected` when its first line is no header."""
    envelope = Envelope(header_of(body), [])
    at = _line_end(body, 0) + 1
    while at < len(body) and len(envelope.items) < most:
        if body[at] == _NEWLINE:
            at += 1
            continue
        item, at = _item(body, at)
        envelope.items.append(item)
    return envelope


def header_of(body: bytes) -> Mapping[str, Any]:
    """The header of an envelope; raise `Rejected` for what is none."""
    try:
        return readable_of(mended(body[: _line_end(body, 0)]))
    except Rejected as error:
        raise Rejected("invalid_envelope", "envelope: its first line must be a JSON object") from error


def object_of(content: bytes) -> dict[str, Any]:
    """A JSON object; raise `Rejected`. Halves of characters, as browsers send them, are mended."""
    try:
        found = orjson.loads(content)
    except orjson.JSONDecodeError:
        try:
            found = orjson.loads(mended(content))
        except orjson.JSONDecodeError as error:
            raise Rejected("invalid_item", "item: must be JSON in UTF-8") from error
    if not isinstance(found, dict):
        raise Rejected("invalid_item", "item: must be a JSON object")
    return found


def _item(body: bytes, at: int) -> tuple[Item | Rejected, int]:
    """The item that begins at a place, and where the next one may begin."""
    end = _line_end(body, at)
    header = _item_header(body, at, end)
    if header is None:
        problem = Rejected("invalid_item_header", "item header: must be a JSON object with a type")
        return problem, _next_header(body, at)
    begin, length = end + 1, header.get("length")
    if length is None:
        end = _line_end(body, begin)
        return Item(header["type"], body[begin:end]), end + 1
    end = begin + length if type(length) is int and length >= 0 else len(body) + 1
    if end < len(body) and body[end] != _NEWLINE:
        return Rejected("wrong_length", "length: the item does not end there"), _next_header(body, begin)
    if end > len(body):
        return Rejected("wrong_length", "length: more than there is of the item"), _next_header(body, begin)
    return Item(header["type"], body[begin:end]), end + 1


def _item_header(body: bytes, at: int, end: int) -> dict[str, Any] | None:
    """The header of an item if the line is one."""
    if end - at > MAX_HEADER_BYTES:
        return None
    try:
        header = object_of(body[at:end])
    except Rejected:
        return None
    return header if isinstance(header.get("type"), str) else None


def _next_header(body: bytes, at: int) -> int:
    """Where, behind the line that begins here, the next item begins; the end of the body where none does."""
    at = _line_end(body, at) + 1
    while at < len(body):
        end = _line_end(body, at)
        header = _item_header(body, at, end)
        # Payloads may have a type as well, but they have objects too.
        if header is not None and not any(isinstance(value, dict) for value in header.values()):
            return at
        at = end + 1
    return len(body)


def _line_end(body: bytes, at: int) -> int:
    end = body.find(b"\n", at)
    return len(body) if end < 0 else end
