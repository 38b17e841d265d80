"""What people have done about alerts: who is at each, and which silences hold it back.

Milliseconds UTC. Of notes the latest counts, and only those of the present episode.
"""

from collections.abc import Sequence
from typing import Any

from services.gateway.query.resources.alerts.alert import Alert
from services.gateway.query.resources.alerts.notes.postgres import Note, PostgresNotes
from services.gateway.query.resources.alerts.silences.postgres import PostgresSilences
from shared.alerts.silences.matchers import Silence


class Acts:
    """Notes and silences of alerts."""

    def __init__(self, notes: PostgresNotes, silences: PostgresSilences) -> None:
        self.notes = notes
        self._silences = silences

    async def of(self, tenant_id: int, alerts: Sequence[Alert]) -> list[dict[str, Any]]:
        """What is shown of each alert beside itself. Raises `Unavailable`."""
        if not alerts:
            return []
        latest = await self.notes.latest(tenant_id, [alert.alert_id for alert in alerts])
        silences = await self._silences.active(tenant_id)
        return [_shown(alert, latest.get(alert.alert_id, {}), silences) for alert in alerts]


def _shown(alert: Alert, notes: dict[str, Note], silences: Sequence[Silence]) -> dict[str, Any]:
    assigned = notes.get("assign")
    return {
        "acknowledged": _said(notes.get("ack")),
        "assigned_to": None if assigned is None else assigned.text,
        "resolved_by_hand": _said(notes.get("resolve")),
        "silenced_by": [one.silence_id for one in silences if one.mutes(one.tenant_id, alert.labels)],
    }


def _said(note: Note | None) -> dict[str, Any] | None:
    return None if note is None else {"actor": note.actor, "text": note.text, "at_ms": note.at_ms}
