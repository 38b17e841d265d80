"""What a client's batch is known by when it comes again: its key, or what is in it.

A batch of points that all bear their own times says the same whenever it comes, so its content names it; any other one
needs a key. The law: nobody can name a batch of another tenant, and one key never names points and events at once.
"""

from dataclasses import dataclass
from hashlib import blake2b
from typing import Literal

from xxhash import xxh3_128_digest

from shared.errors import Rejected

MAX_KEY = 255
"""Characters of the longest key."""

ID_BYTES = 16

Signal = Literal["points", "events"]


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
    batch_id = id_of_key(signal, tenant_id, key) if key else _hashed(b"b", tenant_id, digest)
    return Identity(batch_id, int.from_bytes(digest[:8]), bool(key))


def id_of_key(signal: Signal, tenant_id: int, key: bytes) -> bytes:
    """The id of the batch that has this key."""
    return _hashed(b"k" if signal == "points" else b"e", tenant_id, key)


def checked_key(field: str, code: str, key: bytes) -> bytes:
    """The key itself; raise `Rejected` unless it is 1 to 255 visible ASCII characters."""
    if not 0 < len(key) <= MAX_KEY or not all(0x21 <= letter <= 0x7E for letter in key):
        raise Rejected(code, f"{field}: must be 1 to {MAX_KEY} visible ASCII characters")
    return key


def _hashed(kind: bytes, tenant_id: int, named: bytes) -> bytes:
    # A hash that nobody can aim: else a tenant might make its batch pass for one of another's.
    return blake2b(kind + tenant_id.to_bytes(8, "little") + named, digest_size=ID_BYTES).digest()
