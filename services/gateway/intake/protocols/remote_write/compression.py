"""Undoes the compressions of remote write: a snappy block, or a zstd frame. Bytes.

Both say before the data how long these are (google/snappy, `format_description.txt`; RFC 8878, section 3.1.1).
Invariant: nothing is inflated whose length is above the limit or is not said.
"""

import cramjam

from services.gateway.http.body import too_large
from services.gateway.http.problems import Problem

MAX_SNAPPY_RATIO = 64
"""More than a snappy block can inflate: each element of three bytes gives at most 64."""

ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"


def unsnappy(body: bytes, limit: int) -> bytes:
    """The content of a snappy block, not of a frame; raise `Problem` for anything else or for more than `limit`."""
    try:
        declared = cramjam.snappy.decompress_raw_len(body)
        if declared > limit:
            raise too_large(limit)
        if declared > MAX_SNAPPY_RATIO * len(body):
            raise Problem(400, "bad_snappy", "body: says to be longer than it can be")
        return bytes(cramjam.snappy.decompress_raw(body))
    except cramjam.DecompressionError as error:
        raise Problem(400, "bad_snappy", "body: is not a whole snappy block") from error


def unsnappy_if_it_is(body: bytes, limit: int) -> bytes:
    """The content of a snappy block, or the body itself: version 1.0 may leave out what its encoding always is."""
    try:
        return unsnappy(body, limit)
    except Problem:
        if len(body) > limit:
            raise
        return body


def unzstd(body: bytes, limit: int) -> bytes:
    """The content of one zstd frame; raise `Problem` for anything else or for more than `limit` bytes."""
    declared = _content_size(body)
    if declared is None:
        raise Problem(400, "bad_zstd", "body: must be a zstd frame that says how long its content is")
    if declared > limit:
        raise too_large(limit)
    plain = bytearray(declared)
    try:
        written = cramjam.zstd.decompress_into(body, plain)
    except cramjam.DecompressionError as error:
        raise Problem(
            400, "bad_zstd", "body: is not one whole zstd frame of the length that it says"
        ) from error
    if written != declared:
        raise Problem(400, "bad_zstd", "body: is shorter than it says")
    return bytes(plain)


def _content_size(body: bytes) -> int | None:
    """The length of the content as the frame's header has it, None where it has none.

    A frame that is not one segment names a window; what says how long it is has no need of more than its content.
    """
    if body[:4] != ZSTD_MAGIC or len(body) < 6:
        return None
    descriptor = body[4]
    flag, one_segment = descriptor >> 6, bool(descriptor & 0x20)
    size = (1 if one_segment else 0, 2, 4, 8)[flag]
    at = 5 + (not one_segment) + (0, 1, 2, 4)[descriptor & 3]
    if not size or len(body) < at + size:
        return None
    return int.from_bytes(body[at : at + size], "little") + (256 if size == 2 else 0)
