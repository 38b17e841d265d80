"""What receivers are told when somebody ends an episode by hand, and when it goes on all the same.

Spans are seconds, times milliseconds UTC. Invariant: a note has one key for each thing that is told because of it.
"""

from dataclasses import dataclass, replace
from hashlib import blake2b

from services.alerts.domain.transition import RESOLVED, Transition

REOPEN_AFTER_S = 3600.0
"""What was ended by hand and has lasted so long since is told anew."""

BY_HAND, REOPENED = "by_hand", "reopened"
"""Why a receiver is told what evaluation has not decided."""


@dataclass(frozen=True, slots=True)
class HandNote:
    """Somebody says that an episode is over."""

    note_id: int
    actor: str
    text: str
    at_ms: int


def ended(firing: Transition, note: HandNote) -> Transition:
    """The end of an episode as somebody said it."""
    said = f"{note.actor}: {note.text}" if note.text else note.actor
    return replace(
        firing,
        transition=RESOLVED,
        reason=BY_HAND,
        at_ms=note.at_ms,
        resolved_at_ms=note.at_ms,
        annotations={**firing.annotations, "resolved_by": said},
        key=_key(firing, note, BY_HAND),
    )


def reopened(firing: Transition, note: HandNote) -> Transition:
    """The episode goes on, whatever was said."""
    said = f"goes on since {note.actor} resolved it by hand"
    annotations = {**firing.annotations, "reopened": said}
    return replace(firing, reason=REOPENED, annotations=annotations, key=_key(firing, note, REOPENED))


def _key(firing: Transition, note: HandNote, kind: str) -> str:
    text = f"{firing.alert_id}\0{firing.episode_ms}\0{kind}\0{note.note_id}"
    return blake2b(text.encode(), digest_size=16).hexdigest()
