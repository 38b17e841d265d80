"""What all JSON bodies have in common: times, labels, halves of characters, and the refusal of what is no JSON.

Milliseconds UTC. Invariant: a refusal holds nothing of what was in the body.
"""

import re
from datetime import UTC, datetime, timedelta
from typing import Annotated

import msgspec

from shared.errors import Rejected

Instant = Annotated[datetime, msgspec.Meta(tz=True)]
"""RFC 3339 with a zone."""

INSTANT = "must be integer milliseconds or RFC 3339 with a zone"
"""What a refusal says of a time."""

BROKEN = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What decoding raises for a body that is no JSON; a body of other fields raises msgspec's `ValidationError`."""

_HALF = re.compile(
    rb"((?:[^\\]++|\\[^u]|\\u(?![dD][89a-fA-F])|\\u[dD][89abAB]HH\\u[dD][c-fC-F]HH)*+)(\\u[dD][89a-fA-F]HH)?".replace(
        b"H", b"[0-9a-fA-F]"
    )
)
"""All up to a half of a pair that stands alone, and the half; possessive, so that its time is linear."""

_ANY_HALF = re.compile(rb"\\u[dD][89a-fA-F]")

MAX_MENDED_BYTES = 1 << 20
"""Largest body that is mended, so that it never takes more than a tenth of a second."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_FAR_MS = 1 << 62

_labels = msgspec.json.Decoder(dict[str, str])
_FIELD = re.compile(r"`\$\.(\w+)|field `(\w+)`")


def time_of(ts: int | datetime | None, received_at_ms: int) -> int:
    """An event time as a client says it; none: when it was received."""
    if ts is None:
        return received_at_ms
    # What no 64-bit integer holds is as far from now as the largest that does.
    return max(-_FAR_MS, min(_FAR_MS, ts)) if isinstance(ts, int) else (ts - _EPOCH) // _MILLISECOND


def instant_of(ts: object) -> int | datetime:
    """A time that stood in a JSON document; raise `Rejected`."""
    if type(ts) is int:
        return ts
    try:
        return msgspec.convert(ts, Instant)
    except msgspec.ValidationError as error:
        raise Rejected("invalid_ts", f"ts: {INSTANT}") from error


def labels_of_text(text: msgspec.Raw | bytes) -> dict[str, str]:
    """The labels of a point, none where the text is empty; raise `Rejected`."""
    if not bytes(text):
        return {}
    try:
        return _labels.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Rejected("invalid_labels", "labels: must be an object of strings, in valid UTF-8") from error


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


def mended(body: bytes) -> bytes:
    """The body with U+FFFD for each half of a pair that stands alone, as browsers write a text that was cut in two."""
    if len(body) > MAX_MENDED_BYTES or not _ANY_HALF.search(body):
        return body
    return _HALF.sub(lambda found: found[1] + (rb"\ufffd" if found[2] else b""), body)
