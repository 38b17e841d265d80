"""Annotations: text with `{{ $value }}` and `{{ $labels.name }}`.

Columns count from 0. Invariant: what is accepted can be filled in for every alert; a label that is not there is empty.
"""

import re
from collections.abc import Mapping

from services.alerts.evaluation.domain.expression import ExpressionError

_KNOWN = re.compile(r"\{\{\s*(?:\$(?P<value>value)|\$labels\.(?P<label>[A-Za-z_][A-Za-z0-9_.]*))\s*\}\}")


def check(text: str) -> None:
    """Raise `ExpressionError` for a template that is not known."""
    at = 0
    while (at := text.find("{{", at)) >= 0:
        found = _KNOWN.match(text, at)
        if found is None:
            raise ExpressionError(at, "only {{ $value }} and {{ $labels.name }} can be filled in")
        at = found.end()


def filled(text: str, value: float, labels: Mapping[str, str]) -> str:
    """The text with its templates filled in."""
    return _KNOWN.sub(lambda found: f"{value:g}" if found["value"] else labels.get(found["label"], ""), text)
