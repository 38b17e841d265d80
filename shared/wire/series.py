"""A series as bytes: the MessagePack array `[tenant_id, metric, kind, unit, labels]` with labels sorted by name.

The bytes are canonical: equal series have equal bytes, and the 64-bit id and the partition are functions of the bytes
alone. Readers intern the bytes and decode them once.
"""

import msgspec
import xxhash

from shared.errors import Rejected
from shared.model.labels import labels_of
from shared.model.series import Series, check_kind, check_metric, check_unit

_Wire = tuple[int, str, str, str, dict[str, str]]
_decoder = msgspec.msgpack.Decoder(_Wire)


def pack(series: Series) -> bytes:
    """The canonical bytes of a series."""
    return msgspec.msgpack.encode(
        (series.tenant_id, series.metric, series.kind, series.unit, dict(series.labels))
    )


def unpack(packed: bytes) -> Series:
    """The series of canonical bytes; raise `Rejected` with code `bad_series` for anything else."""
    try:
        tenant_id, metric, kind, unit, labels = _decoder.decode(packed)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Rejected("bad_series", f"series: {error}") from error
    return Series(tenant_id, metric, kind, unit, tuple(sorted(labels.items())))


def checked(packed: bytes) -> Series:
    """The series of these bytes; raise `Rejected` unless they are canonical and can be stored."""
    series = unpack(packed)
    check_metric(series.metric)
    check_kind(series.kind)
    check_unit(series.unit)
    labels_of(dict(series.labels))
    if not 0 <= series.tenant_id < 1 << 63:
        raise Rejected("bad_series", "series: the tenant is not a 63-bit number")
    if pack(series) != packed:
        raise Rejected("bad_series", "series: the bytes are not canonical")
    return series


def tenant_of(packed: bytes) -> int:
    """The tenant of a series whose bytes are canonical, without decoding the rest."""
    first = packed[1]
    if first < 0x80:
        return first
    return int.from_bytes(packed[2 : 2 + (1 << first - 0xCC)])


def kind_of(packed: bytes) -> str:
    """The kind of a series whose bytes are canonical, without decoding the rest."""
    at = 2 if packed[1] < 0x80 else 2 + (1 << packed[1] - 0xCC)
    metric = packed[at]
    at += 2 + packed[at + 1] if metric == 0xD9 else 1 + metric - 0xA0
    return packed[at + 1 : at + 1 + packed[at] - 0xA0].decode()


def series_id(packed: bytes) -> int:
    """The 64-bit id of a series, signed as Postgres keeps it."""
    unsigned = xxhash.xxh3_64_intdigest(packed)
    return unsigned - (1 << 64) if unsigned >= 1 << 63 else unsigned


def partition_of(series_id: int, partitions: int) -> int:
    """The partition that owns a series."""
    return series_id % partitions
