"""The alerts of a tenant in answers: their present state, and the transitions that led to it.

Times are milliseconds UTC. An alert shows the window, value and rule text on which each decision was made.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from shared.errors import Rejected

STATES = ("pending", "firing", "resolved")
"""What an alert can be."""

ACTIVE = ("pending", "firing")
"""What an alert is while its episode lasts."""

RESOLVED_MS = 24 * 3600 * 1000
"""How long a resolved alert is listed."""

MAX_ALERTS = 1000
"""Most alerts of one answer."""

MAX_TRANSITIONS = 1000
"""Most transitions of one answer."""


@dataclass(frozen=True, slots=True)
class Alert:
    """The alert of a rule and a series as it stands now."""

    alert_id: str
    """Names the alert, for ever."""
    rule: str
    state: str
    fingerprint: str
    """What Alertmanager makes of its labels; several alerts may have one."""
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    value: float
    """Value that it was last judged on."""
    expr: str
    """Text of the rule."""
    episode_ms: int
    """Start of the window whose breach began the episode."""
    active_at_ms: int
    fired_at_ms: int | None
    resolved_at_ms: int | None
    updated_at_ms: int


@dataclass(frozen=True, slots=True)
class Transition:
    """One change of an alert's state with the evaluation it was decided on."""

    transition: str
    """`pending`, `firing`, `resolved` or `cancelled`."""
    reason: str
    decided_on: str
    """Live or closed: the kind of window that decided."""
    episode_ms: int
    at_ms: int
    window_start_ms: int
    """Start of the window that it was decided on."""
    value: float
    threshold: float
    expr: str
    count: float
    revision: int
    watermark_ms: int
    key: str
    """Idempotency key: the same in every notification of this transition."""


@dataclass(frozen=True, slots=True)
class History:
    """An alert and how it came to be as it is."""

    alert_id: str
    fingerprint: str
    rule: str
    labels: Mapping[str, str]
    transitions: Sequence[Transition]
    """Newest first, at most one more than `MAX_TRANSITIONS`."""


def states_of(names: Sequence[str]) -> tuple[str, ...]:
    """The states asked for; raise `Rejected` with code `invalid_state` for one that is none."""
    if not set(names) <= set(STATES):
        raise Rejected("invalid_state", f"state: must be one of {', '.join(STATES)}")
    return tuple(dict.fromkeys(names))
