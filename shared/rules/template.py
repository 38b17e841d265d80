"""Annotations: text with `{{ $value }}` and `{{ $labels.name }}`.

Columns count from 0. Invariant: what is accepted can be filled in for every alert; a label that is not there is empty,
and a value is printed as Prometheus prints it.
"""

import math
import re
from collections.abc import Mapping
from decimal import Decimal

from shared.rules.errors import ExpressionError

_KNOWN = re.compile(r"\{\{\s*(?:\$(?P<value>value)|\$labels\.(?P<label>[A-Za-z_][A-Za-z0-9_.]*))\s*\}\}")


_LOWEST_PLAIN = -4
_PLAIN_DIGITS = 6
"""Powers of ten between which a number is printed without an exponent."""


def check(text: str) -> None:
    """Raise `ExpressionError` for a template that is not known."""
    at = 0
    while (at := text.find("{{", at)) >= 0:
        found = _KNOWN.match(text, at)
        if found is None:
            raise ExpressionError(at, "only {{ $value }} and {{ $labels.name }} can be filled in")
        at = found.end()


def printed(value: float) -> str:
    """A number as Go's `fmt.Print` writes a float64: the shortest digits that give it back.

    An exponent stands from 1e+06 up and below 0.0001. Source: Go, strconv.FormatFloat(value, 'g', -1, 64).
    """
    if not math.isfinite(value):
        return "NaN" if math.isnan(value) else f"{value:+f}".replace("inf", "Inf")
    digits, exponent = _shortest(value)
    sign = "-" if math.copysign(1.0, value) < 0 else ""
    if not _LOWEST_PLAIN <= exponent < _PLAIN_DIGITS:
        return f"{sign}{digits[0]}{'.' * (len(digits) > 1)}{digits[1:]}e{exponent:+03d}"
    whole = digits[: exponent + 1].ljust(exponent + 1, "0") if exponent >= 0 else "0"
    fraction = digits[exponent + 1 :] if exponent >= 0 else "0" * (-exponent - 1) + digits
    return f"{sign}{whole}.{fraction}" if fraction else f"{sign}{whole}"


def _shortest(value: float) -> tuple[str, int]:
    """The digits of a number, without zeros at their end, and the power of ten of the first."""
    found = Decimal(repr(abs(value)))
    digits = "".join(map(str, found.as_tuple().digits)).rstrip("0") or "0"
    return digits, found.adjusted() if value else 0


def filled(text: str, value: float, labels: Mapping[str, str]) -> str:
    """The text with its templates filled in."""
    return _KNOWN.sub(
        lambda found: printed(value) if found["value"] else labels.get(found["label"], ""), text
    )
