"""Names and labels of Prometheus to a series of ours.

A series is a running total where its family is a counter, a histogram or a summary; where nobody has said what the
family is, its suffix tells. The unit follows from the name alone: Prometheus 3.16 gives the unit of one family to those
that follow it. `le` and `quantile` are numbers, and each number has one spelling.
"""

import re
from collections.abc import Callable, Iterable
from typing import NamedTuple

from services.gateway.intake.columns.foreign_labels import own_labels, packed, text_of
from shared.errors import Rejected

UNKNOWN, COUNTER, GAUGE, HISTOGRAM, GAUGE_HISTOGRAM, SUMMARY = range(6)
"""Types of families, as both versions number them; 6 and 7 are infos and sets of states, whose values are levels."""

TYPES = {
    "counter": COUNTER, "gauge": GAUGE, "histogram": HISTOGRAM, "gaugehistogram": GAUGE_HISTOGRAM,
    "summary": SUMMARY, "info": 6, "stateset": 7,
}  # fmt: skip
"""The same as the label `__type__` says them."""

ABOUT = frozenset({"__name__", "__type__", "__unit__"})
"""Labels that tell of the series, and are none of its labels."""

TOTALS = ("_total", "_count", "_sum", "_bucket")
"""Suffixes of running totals where the type of the family is not known."""

_TOTALS_OF = {HISTOGRAM: ("_count", "_sum", "_bucket"), SUMMARY: ("_count", "_sum")}

_UNITS = {
    "seconds": "s", "milliseconds": "ms", "bytes": "By", "ratio": "1", "celsius": "Cel", "meters": "m",
    "volts": "V", "amperes": "A", "joules": "J", "watts": "W", "grams": "g", "hertz": "Hz", "percent": "%",
}  # fmt: skip
"""Unit words that end a name, and their UCUM symbols."""

_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,3})?|[+-]?[iI]nf")

TypeOf = Callable[[str], int]
"""The type of a family by its name, `UNKNOWN` where nobody has said it."""


class SeriesText(NamedTuple):
    """What the labels of a series mean."""

    name: str
    labels: bytes
    """Packed, `__name__` left out."""
    kind: tuple[str, str]
    """Kind and unit of its float samples."""
    refusal: Rejected | None = None
    """Why none of its samples may enter."""


def series_text(pairs: Iterable[tuple[bytes, bytes]], type_of: TypeOf, said: int = UNKNOWN) -> SeriesText:
    """The series of these labels; one that may not be bears its refusal. `said`: the type that came with it."""
    try:
        texts = [(text_of("labels", name), text_of("labels", value)) for name, value in pairs]
        return _series(texts, type_of, said)
    except Rejected as refusal:
        return SeriesText("", b"", ("gauge", ""), refusal)


def _series(texts: list[tuple[str, str]], type_of: TypeOf, said: int) -> SeriesText:
    about = {name: value for name, value in texts if name in ABOUT}
    name = about.get("__name__", "")
    if not name:
        raise Rejected("invalid_name", "__name__: must be given")
    labels = own_labels(
        (label, number_text(value) if label in ("le", "quantile") else value)
        for label, value in texts
        if label not in ABOUT
    )
    said = TYPES.get(about.get("__type__", ""), said)
    return SeriesText(name, packed(labels), (kind_of(name, said, type_of), unit_of(name)))


def kind_of(name: str, said: int, type_of: TypeOf) -> str:
    """`cumulative` or `gauge`; `said` is the type that came with the series itself.

    A family is called with its suffix in the text format, and without it in OpenMetrics. `_created` is a time.
    """
    suffix = next((each for each in TOTALS if name.endswith(each)), "")
    if said == UNKNOWN and not name.endswith("_created"):
        own = type_of(name)
        if own != UNKNOWN:
            return "cumulative" if own == COUNTER else "gauge"
        family = type_of(name.removesuffix(suffix))
        return "cumulative" if suffix and family != GAUGE_HISTOGRAM else "gauge"
    is_total = suffix in _TOTALS_OF.get(said, ()) or (said == COUNTER and not name.endswith("_created"))
    return "cumulative" if is_total else "gauge"


def unit_of(name: str) -> str:
    """The UCUM symbol of the unit that a name ends with; counts have none."""
    if name.endswith(("_count", "_bucket")):
        return ""
    stem = name.removesuffix("_total").removesuffix("_sum")
    return _UNITS.get(stem.rpartition("_")[2], "")


def number_text(text: str) -> str:
    """One spelling for each number: `1`, `1.0` and `1e0` are the same bound; what is no number stays as it is."""
    if not _NUMBER.fullmatch(text):
        return text
    number = float(text)
    return repr(number).replace("inf", "+Inf").replace("-+", "-")
