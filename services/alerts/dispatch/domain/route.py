"""Which receivers are notified of which transition.

A rule of its own, so that evaluation need not know that there are receivers.
"""

from collections.abc import Sequence

from services.alerts.domain.transition import FIRING, RESOLVED

NOTIFIED = frozenset({FIRING, RESOLVED})
"""Transitions that receivers are notified of; the others are history."""


def receivers_of(transition: str, receivers: Sequence[str]) -> Sequence[str]:
    """The receivers, of all those there are, that are notified of a transition of this kind."""
    return receivers if transition in NOTIFIED else ()
