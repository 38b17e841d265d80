"""Whatever a body of remote write holds, both ways of reading it say the same, and nothing but a refusal is raised."""

import struct
from typing import NamedTuple

from hypothesis import given
from hypothesis import strategies as st

from services.gateway.intake.columns.admit_points import PointAdmission
from services.gateway.intake.columns.contract import Request
from services.gateway.intake.protocols.remote_write.decode import RemoteWrite
from services.gateway.intake.protocols.remote_write.samples import STALE
from shared.errors import Rejected
from shared.wire.series import unpack
from tests.support import remote_write as wire

NOW = 1_790_000_000_000

BITS = st.sampled_from([0, 1 << 63, STALE, 0x7FF8000000000001]) | st.floats(
    allow_nan=False, allow_infinity=False, min_value=-1e12, max_value=1e12
).map(lambda value: struct.unpack("<Q", struct.pack("<d", value))[0])
"""Bits of values; so are those of the tags that a cut looks for."""

LABELS = st.dictionaries(
    st.sampled_from(["a", "b", "c"]), st.sampled_from(["1", "2", "\x12\x10\x09"]), max_size=3
)
OTHER = st.sampled_from(
    [b"", wire.part(3, b"\x12\x03abc"), wire.part(9, b"x"), b"\x50\x01", wire.part(2, b"")]
)


class Row(NamedTuple):
    """A series, and other fields before and behind its samples."""

    labels: dict[str, str]
    samples: list[tuple[int, int]]
    """Bits and times."""
    before: bytes
    behind: bytes


ROWS = st.builds(
    Row,
    LABELS,
    st.lists(st.tuples(BITS, st.integers(NOW - 1000, NOW) | st.just(0)), max_size=2),
    OTHER.filter(lambda one: one != wire.part(2, b"")),
    OTHER.filter(lambda one: one != wire.part(2, b"")),
)


def value_of(bits: int) -> float:
    """The double of these bits."""
    value: float = struct.unpack("<d", struct.pack("<Q", bits))[0]
    return value


def body_of(rows: list[Row]) -> bytes:
    """The request."""
    return wire.request(
        wire.series({"__name__": "m"} | row.labels, more=row.before)
        + b"".join(wire.part(2, wire.sample(value_of(bits), ts)) for bits, ts in row.samples)
        + row.behind
        for row in rows
    )


def expected_of(rows: list[Row]) -> list[tuple[dict[str, str], int, float]]:
    """The points of the request, by a plain reading; labels of control characters may not be."""
    return [
        (row.labels, ts, value_of(bits))
        for row in rows
        for bits, ts in row.samples
        if value_of(bits) == value_of(bits) and ts and "\x12\x10\x09" not in row.labels.values()
    ]


@given(st.lists(ROWS, max_size=8))
def test_a_body_says_the_same_each_time(rows: list[Row]) -> None:
    """The first time its labels are parsed, then they are remembered; and it is what was written."""
    decoder, admission = RemoteWrite(), PointAdmission(1000)
    for _ in range(3):
        found = admission.admit(decoder.decode(Request(body_of(rows), [], b"", 1, NOW)), 1, NOW)
        series = [dict(unpack(found.catalogue.packed[slot]).labels) for slot in found.points.slot.tolist()]

        assert expected_of(rows) == list(
            zip(series, found.points.ts_ms.tolist(), found.points.value.tolist(), strict=True)
        )


@given(st.lists(ROWS, min_size=1, max_size=3), st.integers(0, 500), st.integers(0, 255), st.booleans())
def test_a_body_with_another_byte_is_taken_or_refused(
    rows: list[Row], at: int, byte: int, second: bool
) -> None:
    """By either version; nothing else happens."""
    body = bytearray(body_of(rows))
    body[at % len(body)] = byte
    headers = [wire.SECOND] if second else []
    try:
        decoded = RemoteWrite().decode(Request(bytes(body), headers, b"", 1, NOW))
    except Rejected:
        return
    PointAdmission(1000).admit(decoded, 1, NOW)
