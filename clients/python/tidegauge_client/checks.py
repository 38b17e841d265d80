"""Checks the arguments of a call at once, so that a mistake is seen where it was made.

Only what could not be sent is refused here; the gateway judges names, sizes and ranges. Invariant: an error message
begins with the name of the argument.
"""

import json
from collections.abc import Iterable, Mapping
from typing import Any, NoReturn

KINDS = frozenset({"gauge", "delta", "cumulative"})
"""How the values of a series can be read."""

LATEST_MS = 1 << 53
"""Beyond it a JSON number is not exact any more."""

NO_LABELS: dict[str, str] = {}
"""Shared by all points without labels."""

compact = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode
"""A value as JSON without spaces."""


def text(value: Any, field: str) -> str:
    """A string that is not empty."""
    if not isinstance(value, str):
        _wrong_type(field, "a string", value)
    if not value:
        raise ValueError(f"{field}: must not be empty")
    return value


def optional_text(value: Any, field: str) -> str | None:
    """A string that is not empty, or None."""
    return None if value is None else text(value, field)


def any_text(value: Any, field: str) -> str:
    """A string."""
    if not isinstance(value, str):
        _wrong_type(field, "a string", value)
    return value


def finite(value: Any, field: str) -> float:
    """A number as a float that is neither infinite nor NaN."""
    number = value if type(value) is float else _float(value, field)
    if number - number != 0.0:  # only of these the difference is NaN
        raise ValueError(f"{field}: must be finite, not {number}")
    return number


def weight(value: Any) -> float:
    """The number of observations that a point stands for; not zero."""
    number = finite(value, "weight")
    if not number:
        raise ValueError("weight: must not be zero")
    return number


def instant(value: Any, field: str = "ts_ms") -> int:
    """Integer milliseconds UTC."""
    if not isinstance(value, int) or isinstance(value, bool):
        _wrong_type(field, "integer milliseconds", value)
    if not 0 <= value < LATEST_MS:
        raise ValueError(f"{field}: must be milliseconds since 1970")
    return int(value)


def finite_list(values: Any, field: str) -> list[float]:
    """A copy of many numbers that are finite."""
    if not isinstance(values, Iterable) or isinstance(values, str | bytes):
        _wrong_type(field, "many numbers", values)
    return [finite(value, field) for value in values]


def counts(values: Any, bounds: int) -> list[float]:
    """The number of values in each bucket; there is one bucket more than bounds."""
    found = finite_list(values, "counts")
    if len(found) != bounds + 1:
        raise ValueError("counts: must be one more than bounds")
    return found


def kind(value: Any) -> str:
    """One of `KINDS`."""
    if any_text(value, "kind") not in KINDS:
        raise ValueError(f"kind: must be gauge, delta or cumulative, not {value!r}")
    return str(value)


def labels(value: Any) -> dict[str, str]:
    """A copy of the labels, because the caller may change the original."""
    if type(value) is not dict and not isinstance(value, Mapping):
        _wrong_type("labels", "a mapping", value)
    copy = dict(value)
    try:
        # The quickest way to ask whether all are strings.
        "".join(copy)
        "".join(copy.values())
    except TypeError:
        _refuse_labels(copy)
    return copy


def properties(value: Any) -> dict[str, Any]:
    """The body of an event, not yet known to be JSON."""
    if not isinstance(value, Mapping):
        _wrong_type("properties", "a mapping", value)
    return dict(value)


def packed(fields: dict[str, Any]) -> str:
    """The JSON of an event, whose properties alone may not have one."""
    try:
        return compact(fields)
    except TypeError as problem:
        raise TypeError(f"properties: {problem}") from None
    except (ValueError, RecursionError) as problem:
        raise ValueError(f"properties: {problem}") from None


def _refuse_labels(found: dict[Any, Any]) -> NoReturn:
    for name, label in found.items():
        if not isinstance(name, str):
            _wrong_type("labels", "a mapping from strings", name)
        if not isinstance(label, str):
            _wrong_type(f"labels.{name}", "a string", label)
    raise AssertionError("labels: joined by themselves, they do join")


def _float(value: Any, field: str) -> float:
    if not hasattr(value, "__float__") and not hasattr(value, "__index__"):
        _wrong_type(field, "a number", value)
    try:
        return float(value)
    except OverflowError:
        raise ValueError(f"{field}: must be finite") from None
    except (TypeError, ValueError) as problem:
        raise type(problem)(f"{field}: {problem}") from None


def _wrong_type(field: str, wanted: str, value: object) -> NoReturn:
    raise TypeError(f"{field}: must be {wanted}, not {type(value).__name__}")
