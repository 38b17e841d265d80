"""Events: discrete occurrences with a body, and the limits on what a client may send in one.

Lengths are characters, sizes bytes, times milliseconds UTC. An event is identified by its tenant and its id.
"""

from collections.abc import Mapping
from typing import Any

from shared.errors import Rejected

MAX_ID = 128
"""Longest id of an event, a session or a user."""

MAX_TYPE = 64
"""Longest type."""

MAX_NAME = 200
"""Longest name."""

MAX_PROPERTIES_BYTES = 32 << 10
"""Largest body of an event, as JSON."""

MAX_DEPTH = 20
"""Deepest nesting of a body, the body itself included."""

REMEMBERED_MS = 7 * 24 * 3600 * 1000
"""How long an id is remembered by log time: a repeat within it is not stored again."""

ERROR = "error"
"""Type of an event that reports an error."""

FUNNEL_STEP = "funnel_step"
"""Type of an event that says that a session reached a step: its name is the step, its property `funnel` the funnel."""


def may_be_deep(text: bytes) -> bool:
    """Whether a body may be nested too deeply: what opens no more often than it may be deep is not."""
    return text.count(b"{") + text.count(b"[") > MAX_DEPTH


def check_depth(properties: Mapping[str, Any]) -> None:
    """Raise `Rejected` with code `invalid_properties` when the body is nested too deeply."""
    level: list[Any] = [properties]
    for _ in range(MAX_DEPTH):
        level = [child for node in level for child in _children(node)]
        if not level:
            return
    raise Rejected("invalid_properties", f"properties: nested deeper than {MAX_DEPTH} levels")


def _children(node: Any) -> list[Any]:
    """The parts of a node that are lists or maps themselves."""
    parts = node.values() if isinstance(node, dict) else node
    return [part for part in parts if isinstance(part, (dict, list))]
