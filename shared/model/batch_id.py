"""The id of a client's batch: 16 bytes, a hash of the tenant and of the idempotency key, or of the body.

Nobody can name a batch of another tenant, and one key never names points and events at once.
"""

from hashlib import blake2b
from typing import Literal

from shared.errors import Rejected

MAX_KEY = 255
"""Characters of the longest key."""

ID_BYTES = 16
"""Length of an id."""

Signal = Literal["points", "events"]
"""What a batch is made of."""


def id_of_key(signal: Signal, tenant_id: int, key: bytes) -> bytes:
    """The id of the batch that has this key."""
    return hashed(b"k" if signal == "points" else b"e", tenant_id, key)


def checked_key(field: str, code: str, key: bytes) -> bytes:
    """The key itself; raise `Rejected` unless it is 1 to 255 visible ASCII characters."""
    if not 0 < len(key) <= MAX_KEY or not all(0x21 <= letter <= 0x7E for letter in key):
        raise Rejected(code, f"{field}: must be 1 to {MAX_KEY} visible ASCII characters")
    return key


def hashed(kind: bytes, tenant_id: int, named: bytes) -> bytes:
    """An id: a cryptographic hash, so that no tenant can make its batch pass for one of another tenant."""
    return blake2b(kind + tenant_id.to_bytes(8, "little") + named, digest_size=ID_BYTES).digest()
