"""StatsD lines, with DogStatsD's additions, to samples: `name:value|type|@rate|#tag:value`.

Sources: github.com/statsd/statsd `docs/metric_types.md`; docs.datadoghq.com, "DogStatsD datagram format". The id of a
container (`c:`) and an origin (`e:`, `card:`) are skipped. Milliseconds UTC.
"""

import re
from collections.abc import Sequence
from typing import NamedTuple

from services.gateway.intake.columns.foreign_labels import own_labels, packed, text_of
from shared.errors import Rejected
from shared.model.labels import MAX_LABELS
from shared.model.point import MAX_WEIGHT

MALFORMED, SKIPPED = "malformed_line", "unsupported_line"
"""Codes of a line that cannot be read, and of an event or a service check."""

TYPES = {"c": "delta", "ms": "delta", "h": "delta", "d": "delta", "g": "gauge", "s": "delta"}
"""Types of metrics, and the kinds of ours."""

_NUMBER = re.compile(r"[+-]?(?:\d++(?:\.\d*+)?|\.\d++)(?:[eE][+-]?\d{1,4})?")


MAX_LINE_BYTES = 8_192
"""Longest line: the largest datagram of DogStatsD's clients."""


class Sample(NamedTuple):
    """One value of one line."""

    name: str
    labels: bytes
    """Packed."""
    type: str
    """One of `TYPES`."""
    value: str
    """As it stands in the line: a signed gauge adds, a set counts texts."""
    weight: float
    """How many the value stands for: one over the sample rate."""
    ts_ms: int | None


def samples_of(line: bytes) -> list[Sample]:
    """The samples of a line, one for each of its values; raise `Rejected`."""
    if len(line) > MAX_LINE_BYTES:
        raise Rejected(MALFORMED, f"line: at most {MAX_LINE_BYTES} bytes")
    if line.startswith((b"_e{", b"_sc|")):
        raise Rejected(SKIPPED, "line: events and service checks are not taken")
    text = text_of("line", line)
    said, *more = text.split("|")
    name, colon, values = said.partition(":")
    if not more or not colon or not name:
        raise Rejected(MALFORMED, "line: must be name:value|type")
    kind, *parts = more
    if kind not in TYPES:
        raise Rejected(MALFORMED, f"type: must be one of {', '.join(TYPES)}")
    labels = packed(own_labels(_label_pairs(parts)))
    weight, ts_ms = _weight(_part(parts, "@")), _time_ms(_part(parts, "T"))
    each = [values] if kind == "s" else values.split(":")
    if kind != "s" and not all(map(_NUMBER.fullmatch, each)):
        raise Rejected(MALFORMED, "value: must be a number, and of several each")
    return [Sample(name, labels, kind, value, 1.0 if kind == "g" else weight, ts_ms) for value in each]


def _part(parts: Sequence[str], mark: str) -> str:
    """What stands behind a mark, empty where nothing does."""
    return next((part[1:] for part in parts if part.startswith(mark)), "")


def _label_pairs(parts: Sequence[str]) -> list[tuple[str, str]]:
    """Names and values; a tag without a value is true."""
    said = _part(parts, "#")
    if said.count(",") > MAX_LABELS:
        raise Rejected("invalid_labels", f"labels: at most {MAX_LABELS}")
    pairs = [each.partition(":") for each in said.split(",") if each]
    return [(name, value if colon else "true") for name, colon, value in pairs]


def _weight(rate: str) -> float:
    if not rate:
        return 1.0
    share = float(rate) if _NUMBER.fullmatch(rate) else 0.0
    if not 1 / MAX_WEIGHT <= share <= 1:
        raise Rejected("sample_rate_out_of_range", f"@: must be {1 / MAX_WEIGHT:g} to 1")
    return 1 / share


def _time_ms(seconds: str) -> int | None:
    """The time that DogStatsD gives in seconds, None where none is given."""
    if not seconds:
        return None
    if not re.fullmatch(r"\d{1,15}", seconds):
        raise Rejected("invalid_ts", "T: must be whole seconds since 1970")
    return int(seconds) * 1000
