"""Bodies of remote write, field by field as Prometheus' Go code writes them: zeros left out, fields in order."""

import struct
from collections.abc import Iterable, Mapping, Sequence

STALE = struct.unpack("<d", bytes.fromhex("020000000000f07f"))[0]
"""The NaN that ends a series; a copy keeps its bits."""

SECOND = (b"content-type", b"application/x-protobuf;proto=io.prometheus.write.v2.Request")
"""Header of version 2.0."""


def varint(number: int) -> bytes:
    """A whole number."""
    number &= (1 << 64) - 1
    parts = []
    while number > 0x7F:
        parts.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes((*parts, number))


def zigzag(number: int) -> bytes:
    """A whole number that is often negative."""
    return varint((number << 1) ^ (number >> 63))


def whole(field: int, number: int) -> bytes:
    """A field of a whole number."""
    return varint(field << 3) + varint(number) if number else b""


def signed(field: int, number: int) -> bytes:
    """The same in zigzag."""
    return varint(field << 3) + zigzag(number) if number else b""


def double(field: int, number: float) -> bytes:
    """A field of a double."""
    bits = struct.pack("<d", number)
    return varint(field << 3 | 1) + bits if any(bits) else b""


def part(field: int, content: bytes) -> bytes:
    """A field of bytes, of a message, or of packed numbers."""
    return varint(field << 3 | 2) + varint(len(content)) + content


def sample(value: float, ts_ms: int, start_ms: int = 0) -> bytes:
    """A sample."""
    return double(1, value) + whole(2, ts_ms) + whole(3, start_ms)


def series(
    labels: Mapping[str, str] | Iterable[tuple[str, str]], *samples: tuple[float, int], more: bytes = b""
) -> bytes:
    """A series of version 1.0; `more`: other fields behind its samples."""
    pairs = labels.items() if isinstance(labels, Mapping) else labels
    written = b"".join(part(1, part(1, name.encode()) + part(2, value.encode())) for name, value in pairs)
    return written + b"".join(part(2, sample(value, ts_ms)) for value, ts_ms in samples) + more


def metadata(family: str, kind: int) -> bytes:
    """What is said of a family in version 1.0."""
    return whole(1, kind) + part(2, family.encode()) + part(4, b"help")


def request(rows: Iterable[bytes], said: Iterable[bytes] = ()) -> bytes:
    """A request of version 1.0."""
    return b"".join(part(1, row) for row in rows) + b"".join(part(3, one) for one in said)


def second_request(rows: Sequence[tuple[Mapping[str, str], Sequence[bytes], Sequence[bytes], int]]) -> bytes:
    """A request of version 2.0; each series as labels, samples, histograms and the type of its family."""
    symbols = {"": 0}
    written = []
    for labels, samples, histograms, kind in rows:
        refs = [symbols.setdefault(text, len(symbols)) for pair in labels.items() for text in pair]
        written.append(
            part(1, b"".join(map(varint, refs)))
            + b"".join(part(2, one) for one in samples)
            + b"".join(part(3, one) for one in histograms)
            + (part(5, whole(1, kind)) if kind else b"")
        )
    return b"".join(part(4, text.encode()) for text in symbols) + b"".join(part(5, one) for one in written)


def histogram(
    schema: int,
    spans: Sequence[tuple[int, int]],
    deltas: Sequence[int],
    ts_ms: int,
    *,
    zero: int = 0,
    bounds: Sequence[float] = (),
    negative: tuple[Sequence[tuple[int, int]], Sequence[int]] = ((), ()),
    total: float = 1.0,
    hint: int = 0,
) -> bytes:
    """A native histogram of whole numbers."""
    return (
        whole(1, 1) + double(3, total) + signed(4, schema) + double(5, 2.0**-128) + whole(6, zero)
        + _spans(8, negative[0]) + part(9, b"".join(map(zigzag, negative[1])))
        + _spans(11, spans) + part(12, b"".join(map(zigzag, deltas)))
        + whole(14, hint) + whole(15, ts_ms) + (part(16, b"".join(struct.pack("<d", one) for one in bounds)))
    )  # fmt: skip


def _spans(field: int, spans: Sequence[tuple[int, int]]) -> bytes:
    return b"".join(part(field, signed(1, offset) + whole(2, length)) for offset, length in spans)
