"""Links that log in once: a token that Redis keeps the hash of for ten minutes, for a key that nobody need paste.

Milliseconds UTC. What Redis holds is signed, so that who can write to it cannot log in; and it is taken out as it is
read, so that a token is good once. A token that Redis has lost is good never. Raises `Unavailable`.
"""

import secrets
from hashlib import sha256

import msgspec

from shared.access.signed import Signer
from shared.runtime.redis import Client, guard

LIFE_MS = 600_000
"""How long a link is good for."""

PURPOSE = "login"

_STORED = msgspec.msgpack.Decoder(tuple[int, bytes, bytes])


def _key(token: str) -> str:
    return f"login:{sha256(token.encode()).hexdigest()}"


async def make(client: Client, secret: bytes, key_hash: bytes, now_ms: int) -> str:
    """A token that logs in once with the key of this SHA-256."""
    token = secrets.token_urlsafe(32)
    named = sha256(token.encode()).digest()
    value = msgspec.msgpack.encode((now_ms + LIFE_MS, named, key_hash))
    with guard():
        await client.set(_key(token), Signer(secret, PURPOSE).sign(value), px=LIFE_MS)
    return token


async def take(client: Client, secret: bytes, token: str, now_ms: int) -> bytes | None:
    """The SHA-256 of the key that a token logs in with, which it does no more; None: it was used, or is too old."""
    with guard():
        found: bytes | None = await client.getdel(_key(token))  # type: ignore[assignment]  # the client keeps bytes
    value = Signer(secret, PURPOSE).value(found.decode("latin-1")) if found else None
    if value is None:
        return None
    until_ms, named, key_hash = _STORED.decode(value)
    good = now_ms < until_ms and secrets.compare_digest(named, sha256(token.encode()).digest())
    return key_hash if good else None
