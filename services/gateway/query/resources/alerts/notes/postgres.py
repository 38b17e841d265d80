"""Notes in `alert_note`: written while an episode lasts, read for ever. Raises `Unavailable`.

Times are milliseconds UTC. A note is of an alert as it stands in `alert_instance`: one of another episode, or of one
that is over, finds no row to be of.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

from shared.postgres.connections import Pool, connection
from shared.postgres.instants import ms_of

MAX_NOTES = 1_000
"""Notes of an episode, and most of one answer."""

NOTE = """
INSERT INTO alert_note (tenant_id, alert_id, rule, series_id, episode_ms, topic, action, actor, text, key_id)
SELECT tenant_id, alert_id, rule, series_id, episode_ms, topic, $4, $5, $6, $7 FROM alert_instance i
WHERE tenant_id = $1 AND alert_id = $2 AND episode_ms = $3 AND state = ANY($8) AND (
    SELECT count(*) FROM alert_note n
    WHERE n.rule = i.rule AND n.series_id = i.series_id AND n.episode_ms = i.episode_ms
) < $9
RETURNING action, actor, text, at, episode_ms
"""

STATE = "SELECT state, episode_ms FROM alert_instance WHERE tenant_id = $1 AND alert_id = $2"

OF_ALERT = """
SELECT n.action, n.actor, n.text, n.at, n.episode_ms
FROM alert_instance i JOIN alert_note n ON n.rule = i.rule AND n.series_id = i.series_id AND n.tenant_id = i.tenant_id
WHERE i.tenant_id = $1 AND i.alert_id = $2 ORDER BY n.at DESC, n.note_id DESC LIMIT $3
"""
"""Notes of all episodes of an alert, newest first."""

OF_EPISODES = """
SELECT DISTINCT ON (i.alert_id, n.action) i.alert_id, n.action, n.actor, n.text, n.at, n.episode_ms
FROM alert_instance i JOIN alert_note n ON n.rule = i.rule AND n.series_id = i.series_id AND n.episode_ms = i.episode_ms
WHERE i.tenant_id = $1 AND i.alert_id = ANY($2) ORDER BY i.alert_id, n.action, n.note_id DESC
"""
"""The latest note of each kind of the present episodes of alerts."""


class Note(NamedTuple):
    """What somebody said of an episode."""

    action: str
    """`ack`, `assign`, `comment` or `resolve`."""
    actor: str
    text: str
    """Of `assign`: whom it was given to."""
    at_ms: int
    episode_ms: int


class Episode(NamedTuple):
    """The present, or last, episode of an alert."""

    state: str
    episode_ms: int


class NewNote(NamedTuple):
    """A note to write."""

    tenant_id: int
    alert_id: str
    episode_ms: int
    action: str
    actor: str
    text: str
    key_id: str


class PostgresNotes:
    """Knows notes and writes them; questions that may take long have a pool of their own."""

    def __init__(self, pool: Pool, reports: Pool) -> None:
        self._pool = pool
        self._reports = reports

    async def write(self, new: NewNote, states: Sequence[str]) -> Note | None:
        """Note it of an episode that is in one of these states; None: it is not, or has notes enough."""
        async with connection(self._pool) as conn:
            row = await conn.fetchrow(NOTE, *new, list(states), MAX_NOTES)
        return None if row is None else _note(row)

    async def episode(self, tenant_id: int, alert_id: str) -> Episode | None:
        """The latest episode of an alert; None: there is no such alert."""
        async with connection(self._pool) as conn:
            row = await conn.fetchrow(STATE, tenant_id, alert_id)
        return None if row is None else Episode(row["state"], row["episode_ms"])

    async def of_alert(self, tenant_id: int, alert_id: str) -> list[Note]:
        """Notes of all its episodes, newest first; at most `MAX_NOTES`."""
        async with connection(self._reports) as conn:
            return [_note(row) for row in await conn.fetch(OF_ALERT, tenant_id, alert_id, MAX_NOTES)]

    async def latest(self, tenant_id: int, alert_ids: Sequence[str]) -> dict[str, dict[str, Note]]:
        """By alert and action, the latest note of its present episode."""
        found: dict[str, dict[str, Note]] = {}
        async with connection(self._reports) as conn:
            rows = await conn.fetch(OF_EPISODES, tenant_id, list(alert_ids))
        for row in rows:
            found.setdefault(row["alert_id"], {})[row["action"]] = _note(row)
        return found


def _note(row: Any) -> Note:
    return Note(row["action"], row["actor"], row["text"], ms_of(row["at"]), row["episode_ms"])
