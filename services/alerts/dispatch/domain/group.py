"""Which transitions are told together: groups by labels, and the messages that are made of them. Pure.

Invariant: a group is of one tenant; and a message is named by its members, so the same members have one key for ever.
"""

import json
from collections.abc import Iterable, Sequence
from hashlib import blake2b

from services.alerts.domain.transition import Transition

MAX_MEMBERS = 500
"""Transitions of a message."""

INTERVAL_S = 30.0
"""How long after a message of a group the next one waits, unless all of the group is over."""


def group_of(transition: Transition, group_by: Sequence[str]) -> str:
    """The name of the group that a transition belongs to: its values of these labels, and its tenant."""
    wanted = dict.fromkeys((*group_by, "tenant"))
    return json.dumps([[label, transition.labels.get(label, "")] for label in wanted], ensure_ascii=False)


def labels_of(group: str) -> dict[str, str]:
    """The labels that a group has in common by its name."""
    return {label: value for label, value in json.loads(group) if value}


def message_key(receiver: str, keys: Iterable[str]) -> str:
    """The idempotency key of a message with these members for a receiver."""
    return blake2b("\0".join((receiver, *sorted(keys))).encode(), digest_size=16).hexdigest()
