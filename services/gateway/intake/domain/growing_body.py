"""Bodies that grow: a client repeats what it believes refused, and adds behind it what has come since.

Such a body is cut where the ones before it ended, so that each part has the name that it had when it came alone, and
counts once. Bytes. Invariant: the parts make the body, in its order, and each ends with its line.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from xxhash import xxh3_128_digest

from shared.model.batch_id import hashed


class Prefix(NamedTuple):
    """What an earlier body was."""

    length: int
    digest: bytes
    """Hash of its bytes, 16 of them."""


def prefix_of(body: bytes) -> Prefix:
    """A body, as a later one may begin with it."""
    return Prefix(len(body), xxh3_128_digest(body))


def name_of(tenant_id: int, body: bytes) -> bytes:
    """What a body and all that grow from it have in common: the tenant and the first line. 16 bytes."""
    end = body.find(b"\n")
    return hashed(b"g", tenant_id, xxh3_128_digest(body if end < 0 else body[:end]))


def parts_of(body: bytes, earlier: Iterable[Prefix]) -> Sequence[bytes]:
    """The body, cut where it goes on from earlier ones."""
    parts, begin = [], 0
    for length, digest in sorted(set(earlier)):
        ends_a_line = length < len(body) and b"\n" in (body[length - 1 : length], body[length : length + 1])
        if begin < length and ends_a_line and xxh3_128_digest(body[:length]) == digest:
            parts.append(body[begin:length])
            begin = length
    parts.append(body[begin:])
    return parts
