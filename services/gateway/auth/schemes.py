"""API keys as clients of other systems show them: as a bearer token, under a word of their own, or as a password.

A client has one key; the name of its user plays no part.
"""

from collections.abc import Collection, Iterable

from services.gateway.auth.http import only_key, password_of

BEARER = frozenset({b"bearer"})


def key_shown(
    headers: Iterable[tuple[bytes, bytes]],
    schemes: Collection[bytes] = BEARER,
    others: Iterable[bytes] = (),
) -> bytes:
    """The key in `X-API-Key`, after one of the schemes of `Authorization`, or the password of `Basic`.

    `others` are keys that stood elsewhere. Raise `Problem` for none, or for two that differ.
    """
    keys = set(others)
    for name, value in headers:
        if name == b"x-api-key":
            keys.add(value.strip())
        elif name == b"authorization":
            keys.add(_credential(value, schemes))
    return only_key(keys, "Authorization, X-API-Key and the address")


def _credential(authorization: bytes, schemes: Collection[bytes]) -> bytes:
    """The key that an `Authorization` holds, empty where it holds none."""
    scheme, _, rest = authorization.partition(b" ")
    if scheme.lower() in schemes:
        return rest.strip()
    return password_of(authorization)
