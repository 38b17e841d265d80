"""What has changed between two answers of one set of questions, by window. Pure.

Times are milliseconds UTC. Answers are those of `/v1/query` before they are JSON: what has an entry a window is an
array or a list. Invariant: the first answer with the changes put into it, window by window, is the second.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Answer = Mapping[str, Any]
Mask = NDArray[np.bool_]

OF_WINDOWS = ("start_ms", "end_ms", "hours", "complete")
OF_SERIES = ("samples", "revision", "late")
LEFT_OUT = (*OF_WINDOWS, "series", "rest", "compare", "complete_until_ms", "warnings")
"""Fields that do not make another shape."""


def cut(before: Sequence[Answer], after: Sequence[Answer]) -> list[Answer] | None:
    """Of each answer the windows that have changed; None: it has another shape, and all of it must be told."""
    if len(before) != len(after):
        return None
    found = []
    for old, new in zip(before, after, strict=True):
        if _shape(old) != _shape(new):
            return None
        found.append(new if "error" in new else _taken(new, _changed(old, new)))
    return found


def is_empty(found: Sequence[Answer]) -> bool:
    """Whether no window of any answer has changed."""
    return not any("error" not in one and len(one["start_ms"]) for one in found)


def _shape(one: Answer) -> Any:
    """What must be equal for windows to be put in: all but the windows, and whose series they are."""
    if "error" in one:
        return one["id"], one["error"].get("code")
    fixed = {name: value for name, value in one.items() if name not in LEFT_OUT}
    rest = one.get("rest")
    return (
        fixed,
        [each["labels"] for each in one["series"]],
        None if rest is None else rest["series"],
        [each["labels"] for each in one["compare"]["series"]] if "compare" in one else None,
    )


def _changed(old: Answer, new: Answer) -> Mask:
    """Which windows of the new answer the old one has not, or has otherwise."""
    place = np.searchsorted(old["start_ms"], new["start_ms"])
    place = np.minimum(place, len(old["start_ms"]) - 1)
    changed: Mask = np.asarray(old["start_ms"][place] != new["start_ms"])
    for before, after in zip(_columns(old), _columns(new), strict=True):
        changed |= _differ(before[place], after)
    return changed


def _columns(one: Answer) -> Iterator[NDArray[Any]]:
    """All that has an entry a window, in an order that follows from the shape."""
    yield np.asarray(one["end_ms"])
    yield np.asarray(one["complete"])
    for series in _all_series(one):
        for name in OF_SERIES:
            yield _array(series[name])
        for name in sorted(series["values"]):
            yield _array(series["values"][name])


def _all_series(one: Answer) -> Iterator[Mapping[str, Any]]:
    yield from one["series"]
    if "rest" in one:
        yield one["rest"]
    if "compare" in one:
        yield from one["compare"]["series"]
        if "rest" in one["compare"]:
            yield one["compare"]["rest"]


def _array(column: Any) -> NDArray[Any]:
    """A column as an array; of what is no number, of objects."""
    if isinstance(column, np.ndarray):
        return column
    return np.fromiter(column, object, len(column))


def _differ(before: NDArray[Any], after: NDArray[Any]) -> Mask:
    if "O" in {before.dtype.kind, after.dtype.kind}:
        return np.fromiter((a != b for a, b in zip(before, after, strict=True)), bool, len(after))
    unequal = before != after
    if after.dtype.kind == "f":
        unequal &= ~(np.isnan(before) & np.isnan(after))
    return np.asarray(unequal)


def _taken(one: Answer, mask: Mask) -> Answer:
    """The answer with these windows alone."""
    index = np.flatnonzero(mask)
    made = dict(one) | {name: _pick(one[name], index) for name in OF_WINDOWS}
    made["series"] = [_series(each, index) for each in one["series"]]
    if "rest" in one:
        made["rest"] = _series(one["rest"], index)
    if "compare" in one:
        compare = one["compare"]
        named = [name for name in OF_WINDOWS if name in compare]
        made["compare"] = dict(compare) | {name: _pick(compare[name], index) for name in named}
        made["compare"]["series"] = [_series(each, index) for each in compare["series"]]
        if "rest" in compare:
            made["compare"]["rest"] = _series(compare["rest"], index)
    return made


def _series(series: Mapping[str, Any], index: NDArray[np.int64]) -> Mapping[str, Any]:
    values = {name: _pick(column, index) for name, column in series["values"].items()}
    return dict(series) | {name: _pick(series[name], index) for name in OF_SERIES} | {"values": values}


def _pick(column: Any, index: NDArray[np.int64]) -> Any:
    if isinstance(column, np.ndarray):
        return column[index]
    return [column[i] for i in index.tolist()]
