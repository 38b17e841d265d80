"""Measurements, tags and fields to metrics and labels of ours.

A field becomes the metric `measurement_field`, or `measurement` where the field is called `value`. All are gauges: line
protocol does not say which fields are running totals. Booleans are 1 and 0; texts are no values, and are left out.
"""

import re
from functools import lru_cache
from typing import NamedTuple

from services.gateway.intake.columns.foreign_labels import own_labels, packed, text_of
from shared.errors import Rejected
from shared.model.labels import MAX_LABELS

TEXT_FIELD = "text_field"
"""Code of a field that holds a text."""

REMEMBERED = 20_000
"""Spellings of measurements and tags that are remembered."""

_NUMBER = re.compile(rb"[+-]?(?:\d++(?:\.\d*+)?|\.\d++)(?:[eE][+-]?\d{1,4})?")
_WHOLE = re.compile(rb"[+-]?\d{1,20}[iu]")
_BOOLEANS = dict.fromkeys((b"t", b"T", b"true", b"True", b"TRUE"), 1.0) | dict.fromkeys(
    (b"f", b"F", b"false", b"False", b"FALSE"), 0.0
)
_COMMA = re.compile(rb",((?:[^,=\\]|\\.)*+)=((?:[^,\\]|\\.)*+)", re.DOTALL)
_MEASUREMENT = re.compile(rb"(?:[^,\\]|\\.)++", re.DOTALL)
_ESCAPED = re.compile(rb"\\([,= ])")


class Tagged(NamedTuple):
    """A measurement and its labels."""

    measurement: str
    labels: bytes
    """Packed."""


@lru_cache(REMEMBERED)
def tagged(spelt: bytes) -> Tagged:
    """The measurement and the labels of a spelling; raise `Rejected`."""
    measurement = _MEASUREMENT.match(spelt)
    if measurement is None:
        raise Rejected("invalid_name", "measurement: must be given")
    at = measurement.end()
    pairs: list[tuple[str, str]] = []
    while at < len(spelt):
        if len(pairs) > MAX_LABELS:
            raise Rejected("invalid_labels", f"labels: at most {MAX_LABELS}")
        pair = _COMMA.match(spelt, at)
        if pair is None or pair.end() == at:
            raise Rejected("invalid_labels", "tags: must be key=value, with commas between them")
        pairs.append((_plain(pair[1]), _plain(pair[2])))
        at = pair.end()
    return Tagged(_plain(measurement[0]), packed(own_labels(pairs)))


def metric_of(measurement: str, field: bytes) -> str:
    """The name of a field's metric; raise `Rejected`."""
    key = _plain(field)
    return measurement if key == "value" else f"{measurement}_{key}"


def value_of(spelt: bytes) -> float:
    """The value of a field; raise `Rejected` with `TEXT_FIELD` for a text, with another code for what is no value."""
    if _NUMBER.fullmatch(spelt):
        return float(spelt)
    if _WHOLE.fullmatch(spelt):
        return float(spelt[:-1])
    if spelt.startswith(b'"'):
        raise Rejected(TEXT_FIELD, "fields: a text is no value")
    known = _BOOLEANS.get(spelt)
    if known is None:
        raise Rejected(
            "invalid_value", "fields: must be a number, a whole number with i or u, a boolean or a text"
        )
    return known


def _plain(spelt: bytes) -> str:
    return text_of("tags", _ESCAPED.sub(rb"\1", spelt))
