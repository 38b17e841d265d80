"""`level:metric:operation_window`: the names that rules had before they were PromQL.

`api:response_seconds:p95_10s` is `quantile_over_time(0.95, api_response_seconds[10s])` of series of all kinds. Columns
count from 0.
"""

import re

from shared.alerts.rules.errors import ExpressionError
from shared.alerts.rules.plan import OPERATIONS, Leaf, Matcher, Selector

WINDOW = "10s"
"""The only resolution of an alias."""

_PARTS = re.compile(
    r"(?P<level>[A-Za-z][A-Za-z0-9]*):(?P<metric>[A-Za-z_][A-Za-z0-9_]*):"
    r"(?P<operation>[A-Za-z0-9]+(?:_\d)?)_(?P<window>[A-Za-z0-9]+)"
)
_QUANTILE = re.compile(r"p(\d{1,2}(?:_\d)?)", re.ASCII)
_DOTTED = re.compile(r":p\d{1,2}", re.ASCII)
_FRACTION = re.compile(r"\.\d_[A-Za-z0-9]+", re.ASCII)


def has_dot(name: str, behind: str) -> bool:
    """Whether this name is an alias such as `…:p99` whose dot and the rest, `.9_10s`, stand behind it."""
    found = re.search(r"[^:]*\Z", name)
    return bool(found and _DOTTED.fullmatch(f":{found[0]}") and _FRACTION.fullmatch(behind))


def leaf_of(name: str, matchers: tuple[Matcher, ...], at: int) -> Leaf | None:
    """What an alias reads; None: the name is none. Raise `ExpressionError` for one that cannot be read."""
    found = _PARTS.fullmatch(name)
    if found is None:
        return None
    operation = found["operation"]
    quantile = _QUANTILE.fullmatch(operation)
    if quantile is None and operation not in OPERATIONS:
        raise ExpressionError(
            at + found.start("operation"),
            f"{operation} is not one of {', '.join(OPERATIONS)} or p and a percentage",
        )
    if found["window"] != WINDOW:
        raise ExpressionError(
            at + found.start("window"), f"windows are {WINDOW} long here, not {found['window']}"
        )
    selector = Selector(f"{found['level']}_{found['metric']}", "alias", matchers)
    if quantile is not None:
        return Leaf(selector, "quantile", float(quantile[1].replace("_", ".")) / 100)
    return next(Leaf(selector, known) for known in OPERATIONS if known == operation)
