"""The header `Idempotency-Key`: the key that a client gives a batch, so that repeats are recognised.

A key is used as sent, letter by letter. A wrong key is refused by name and never ignored.
"""

from collections.abc import Iterable

from services.gateway.http.problems import Problem
from shared.errors import Rejected
from shared.model.batch_id import checked_key

HEADER = b"idempotency-key"

CODE = "invalid_idempotency_key"


def batch_key_of(headers: Iterable[tuple[bytes, bytes]]) -> bytes:
    """The key of a request's batch, empty where it has none; raise `Problem` for one that is no key."""
    keys = {value for name, value in headers if name == HEADER}
    if not keys:
        return b""
    if len(keys) > 1:
        raise Problem(400, "two_batch_ids", "two headers Idempotency-Key hold different keys")
    try:
        return checked_key("Idempotency-Key", CODE, keys.pop())
    except Rejected as error:
        raise Problem(400, error.code, error.message) from error


def conflict() -> Problem:
    """The key stands for another body; of this one nothing was taken."""
    return Problem(
        422,
        "idempotency_conflict",
        "Idempotency-Key: another body came under it; send that one again, or this one under a new key",
    )
