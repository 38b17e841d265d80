"""`x-tidegauge`: what a rule says here beyond Prometheus, on a rule or on a group for all of its rules.

Spans are milliseconds. Invariant: a key that is known and not carried out yet is refused by its name, never ignored.
"""

from typing import Any

import yaml

from shared.alerts.rules import expression
from shared.alerts.rules.errors import ExpressionError
from shared.alerts.rules.model import KEEP, RESOLVE, duration_ms
from shared.alerts.rules.nodes import Nodes
from shared.alerts.rules.plan import Comparison

KEY = "x-tidegauge"

KNOWN = dict.fromkeys(("clear", "lookback", "no_data", "min_samples", "evaluate", "late"), False)
"""Keys, none of which must be there."""

_LATER = "is not carried out yet; leave it out"
REFUSED = dict.fromkeys(("inhibits", "series_labels", "publish"), _LATER)
_REFUSED_OF_NO_DATA = {"for": _LATER}
_REFUSED_OF_LATE = {"within": _LATER}

EARLY, ON_CLOSE = "early", "on_close"
"""When a rule is judged: on open windows where they can decide, or on closed ones alone."""

MAX_SAMPLES = 1_000_000
"""Most samples that a rule may ask for."""


class Extension:
    """The keys that hold for a rule."""

    def __init__(self, nodes: Nodes, keys: dict[str, yaml.Node] | None = None) -> None:
        self._nodes = nodes
        self._keys = keys or {}

    def with_keys(self, node: yaml.Node | None) -> "Extension":
        """The same with the keys of this mapping, which go before those that were there."""
        found = self._nodes.fields(node, KNOWN, REFUSED) if node is not None else {}
        return Extension(self._nodes, self._keys | found)

    def of(self, comparison: Comparison, for_ms: int) -> dict[str, Any]:
        """The fields of a rule with this expression and duration."""
        get = self._keys.get
        self._check_late(get("late"))
        return {
            "clear": self._clear(get("clear"), comparison),
            "lookback_ms": self._nodes.parsed(get("lookback"), _lookback_ms),
            "no_data": self._no_data(get("no_data")),
            "min_samples": self._nodes.parsed(get("min_samples"), _samples) or 0,
            "on_close": self._on_close(get("evaluate"), comparison.live and for_ms == 0),
        }

    def _clear(self, node: yaml.Node | None, comparison: Comparison) -> Comparison | None:
        found = self._nodes.parsed(node, expression.parse)
        if found is not None and isinstance(node, yaml.ScalarNode) and found.leaf != comparison.leaf:
            problem = ExpressionError(
                0, "clear: must compare the figure that expr compares, with another number"
            )
            self._nodes.within(node, problem)
        return found

    def _on_close(self, node: yaml.Node | None, early: bool) -> bool:  # noqa: FBT001 # whether it can be
        found = self._nodes.parsed(node, _evaluate)
        if found == EARLY and not early and isinstance(node, yaml.ScalarNode):
            problem = "early: only a maximum or a count above a bound, over [10s] and without `for`, can be"
            self._nodes.within(node, ExpressionError(0, problem))
        return found == ON_CLOSE

    def _no_data(self, node: yaml.Node | None) -> str:
        fields = self._nodes.fields(node, {"policy": True}, _REFUSED_OF_NO_DATA) if node is not None else {}
        return self._nodes.parsed(fields.get("policy"), _policy) or RESOLVE

    def _check_late(self, node: yaml.Node | None) -> None:
        fields = self._nodes.fields(node, {"policy": True}, _REFUSED_OF_LATE) if node is not None else {}
        self._nodes.parsed(fields.get("policy"), _late_policy)


def _evaluate(text: str) -> str:
    if text not in (EARLY, ON_CLOSE):
        raise ExpressionError(0, f"evaluate: must be {EARLY} or {ON_CLOSE}")
    return text


def _policy(text: str) -> str:
    if text == "alert":
        raise ExpressionError(0, f"alert {_LATER}, or write resolve or keep")
    if text not in (RESOLVE, KEEP):
        raise ExpressionError(0, f"policy: must be {RESOLVE} or {KEEP}")
    return text


def _late_policy(text: str) -> str:
    if text in ("fire", "annotate"):
        raise ExpressionError(0, f"{text} {_LATER}: late windows page nobody")
    if text != "ignore":
        raise ExpressionError(0, "policy: must be ignore")
    return text


def _lookback_ms(text: str) -> int:
    found = duration_ms(text)
    if found <= 0:
        raise ExpressionError(0, "lookback: must be longer than nothing")
    return found


def _samples(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 9 and 1 <= int(text) <= MAX_SAMPLES):
        raise ExpressionError(0, f"min_samples: must be a whole number from 1 to {MAX_SAMPLES}")
    return int(text)
