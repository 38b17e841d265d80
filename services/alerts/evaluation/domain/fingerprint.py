"""Names of alerts and of their transitions.

Source of the fingerprint: Alertmanager, FNV-1a of 64 bits over the sorted labels. Invariant: equal labels have equal
fingerprints here and there, and a transition has one key for ever.
"""

from collections.abc import Mapping
from hashlib import blake2b

_OFFSET, _PRIME, _MASK = 0xCBF29CE484222325, 0x100000001B3, (1 << 64) - 1


def fingerprint(labels: Mapping[str, str]) -> str:
    """16 hex digits that Alertmanager gives to these labels."""
    digest = _OFFSET
    for name, value in sorted(labels.items()):
        for byte in b"%b\xff%b\xff" % (name.encode(), value.encode()):
            digest = ((digest ^ byte) * _PRIME) & _MASK
    return f"{digest:016x}"


def key(rule: str, series_id: int, episode_ms: int, transition: str) -> str:
    """32 hex digits that name one transition of one alert: its idempotency key."""
    text = f"{rule}\0{series_id}\0{episode_ms}\0{transition}"
    return blake2b(text.encode(), digest_size=16).hexdigest()
