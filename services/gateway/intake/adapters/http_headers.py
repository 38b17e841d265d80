"""Headers that all dialects share: `Idempotency-Key` of a request, `RateLimit` and `RateLimit-Policy` of its answer.

A key is used as sent, letter by letter; a wrong one is refused by name and never ignored. What a tenant may still send
is told from half of it on, as draft-ietf-httpapi-ratelimit-headers-10 has it; points and events are counted alike.
"""

from collections.abc import Iterable
from math import ceil, floor

from services.gateway.http.problems import Headers, Problem
from services.gateway.intake.domain.tenant_limits import Allowance
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


def rate_limit_headers(allowance: Allowance) -> Headers:
    """The policy (`q` at once, all of it again after `w` seconds), and what remains (`r`, all of it after `t`)."""
    left, burst, rate_per_s = allowance
    if left * 2 > burst:
        return []
    quota, window_s = floor(burst), ceil(burst / rate_per_s)
    full_s = ceil((burst - left) / rate_per_s)
    return [
        (b"ratelimit-policy", b'"points";q=%d;w=%d' % (quota, window_s)),
        (b"ratelimit", b'"points";r=%d;t=%d' % (max(0, floor(left)), full_s)),
    ]
