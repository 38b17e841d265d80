"""The identity of a client's batch, by which repeats are recognised: its key, or its content.

A batch of points with times of their own has the same content whenever it is sent, so the content identifies it; any
other batch needs a key. Nobody can name a batch of another tenant, and one key never names points and events at once.
"""

from dataclasses import dataclass

from xxhash import xxh3_128_digest

from shared.model.batch_id import Signal, hashed, id_of_key


@dataclass(frozen=True, slots=True)
class Identity:
    """A batch among all that were sent."""

    batch_id: bytes
    """16 bytes that name it."""
    body: int
    """Hash of 64 bits of what was sent, as it was before compression."""
    keyed: bool = False
    """The client has chosen the key, so that it may stand for two bodies by mistake."""


def identity_of(
    signal: Signal, tenant_id: int, key: bytes, content: bytes, *, timed: bool
) -> Identity | None:
    """The identity of a batch, by its key where there is one; None: its repeats cannot be told from new points."""
    if not key and not timed:
        return None
    digest = xxh3_128_digest(content)
    batch_id = id_of_key(signal, tenant_id, key) if key else hashed(b"b", tenant_id, digest)
    return Identity(batch_id, int.from_bytes(digest[:8]), bool(key))
