"""How templates write numbers and texts, sign by sign as Go and Prometheus write them.

Source: Prometheus 2.42, template/template.go; Go, fmt and strconv. Values are float64. Invariant: every float has a
text, and nothing raises.
"""

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, NamedTuple

_LOWEST_PLAIN = -4
_PLAIN_DIGITS = 6
"""Powers of ten between which a number is printed without an exponent."""

_LARGE, _SMALL = "kMGTPEZY", "munpfazy"
_INT64 = 1 << 63
_VERB = re.compile(r"%(?:%|(?P<flags>[-+ 0]*)(?P<width>\d{0,2})(?P<precision>\.\d{1,2})?(?P<verb>[feEgGvs]))")
_WORD = re.compile(r"(?:\A|(?<=[\x00-/:-@\[-^`{-\x7f])|(?<=\s))\S")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


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


def shown(filled: float | str) -> str:
    """What stands in the text."""
    return filled if isinstance(filled, str) else printed(filled)


def _four(value: float) -> str:
    """Four digits, Go's `%.4g`."""
    return f"{value:.4g}" if math.isfinite(value) else printed(value)


def humanize(value: float) -> str:
    """With a prefix of the metric system."""
    if value == 0 or not math.isfinite(value):
        return _four(value)
    if abs(value) >= 1:
        return _scaled(value, 1000.0, _LARGE)
    return _small(value)


def _scaled(value: float, step: float, prefixes: str, behind: str = "") -> str:
    prefix = ""
    for each in prefixes:
        if abs(value) < step:
            break
        prefix, value = each + behind, value / step
    return f"{_four(value)}{prefix}"


def _small(value: float) -> str:
    prefix = ""
    for each in _SMALL:
        if abs(value) >= 1:
            break
        prefix, value = each, value * 1000
    return f"{_four(value)}{prefix}"


def humanize_1024(value: float) -> str:
    """With a prefix of powers of 1024."""
    if abs(value) <= 1 or not math.isfinite(value):
        return _four(value)
    return _scaled(value, 1024.0, _LARGE, "i")


def humanize_percentage(value: float) -> str:
    """A share in percent."""
    return f"{_four(value * 100)}%"


def humanize_duration(value: float) -> str:
    """Seconds as days, hours, minutes and seconds."""
    if not math.isfinite(value):
        return _four(value)
    if value == 0 or abs(value) >= _INT64:
        return f"{_four(value)}s"
    if abs(value) < 1:
        return f"{_small(value)}s"
    sign, value = "-" if value < 0 else "", abs(value)
    minutes, seconds = divmod(int(value), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    if days:
        return f"{sign}{days}d {hours}h {minutes}m {seconds}s"
    if hours:
        return f"{sign}{hours}h {minutes}m {seconds}s"
    return f"{sign}{minutes}m {seconds}s" if minutes else f"{sign}{_four(value)}s"


def humanize_timestamp(value: float) -> str:
    """Seconds since 1970 as an instant, to the millisecond."""
    try:
        nanoseconds = math.trunc(value * 1e9)
        found = _EPOCH + timedelta(
            milliseconds=int(math.copysign(abs(nanoseconds) // 1_000_000, nanoseconds))
        )
    except (OverflowError, ValueError):
        return _four(value)
    fraction = f".{found.microsecond // 1000:03d}".rstrip("0").rstrip(".")
    return f"{found:%Y-%m-%d %H:%M:%S}{fraction} +0000 UTC"


def title(text: str) -> str:
    """Each word with a capital, words as Go's `strings.Title` has them."""
    return _WORD.sub(lambda found: to_upper(found[0]), text)


def to_upper(text: str) -> str:
    """In capitals, sign by sign: one that would become two stays."""
    return "".join(upper if len(upper := sign.upper()) == 1 else sign for sign in text)


def to_lower(text: str) -> str:
    """In small letters, sign by sign."""
    return "".join(lower if len(lower := sign.lower()) == 1 else sign for sign in text)


OF_NUMBERS: Mapping[str, Callable[[Any], str]] = {
    "humanize": humanize, "humanize1024": humanize_1024, "humanizeDuration": humanize_duration,
    "humanizePercentage": humanize_percentage, "humanizeTimestamp": humanize_timestamp,
}  # fmt: skip
"""Functions of the value."""

OF_TEXTS: Mapping[str, Callable[[Any], str]] = {"title": title, "toUpper": to_upper, "toLower": to_lower}
"""Functions of labels."""


class Verb(NamedTuple):
    """Where an operand of `printf` stands, and how it is written."""

    spec: str
    verb: str

    @property
    def is_number(self) -> bool:
        """Whether it is of a number."""
        return self.verb != "s"


@dataclass(frozen=True)
class Verbs:
    """A format of `printf`."""

    texts: tuple[str, ...]
    """What stands before each verb, and behind the last."""
    verbs: tuple[Verb, ...]

    def filled(self, operands: Sequence[float | str]) -> str:
        """The format with its operands, one a verb."""
        written = [_written(verb, operand) for verb, operand in zip(self.verbs, operands, strict=True)]
        return "".join(text + one for text, one in zip(self.texts, [*written, ""], strict=True))


def verbs_of(text: str) -> Verbs | None:
    """What a format says; None: something that is not written here."""
    texts, verbs, end = [""], list[Verb](), 0
    while (at := text.find("%", end)) >= 0:
        found = _VERB.match(text, at)
        if found is None or (
            found["verb"] in {"v", "s"} and (found["precision"] or found["flags"] not in {"", "-"})
        ):
            return None
        texts[-1] += text[end:at]
        if found["verb"]:
            verbs.append(Verb(found["flags"] + found["width"] + (found["precision"] or ""), found["verb"]))
            texts.append("")
        else:
            texts[-1] += "%"
        end = found.end()
    texts[-1] += text[end:]
    return Verbs(tuple(texts), tuple(verbs))


def _written(verb: Verb, operand: float | str) -> str:
    if isinstance(operand, str):
        return f"%{verb.spec}s" % operand
    if verb.verb == "v" or not math.isfinite(operand) or (verb.verb in "gG" and "." not in verb.spec):
        return f"%{verb.spec.strip('+ 0')}s" % printed(operand)
    return f"%{verb.spec}{verb.verb}" % operand
