"""Names of transitions, and the fingerprint of an alert.

Invariant: equal labels have equal fingerprints here and in Alertmanager, and a transition has one key for ever.
"""

from hashlib import blake2b

from services.alerts.domain.identity import fingerprint

__all__ = ("fingerprint", "key")


def key(rule: str, series_id: int, episode_ms: int, transition: str) -> str:
    """32 hex digits that name one transition of one alert: its idempotency key."""
    text = f"{rule}\0{series_id}\0{episode_ms}\0{transition}"
    return blake2b(text.encode(), digest_size=16).hexdigest()
