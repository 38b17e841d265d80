"""A series as bytes: the MessagePack array `[tenant_id, metric, kind, unit, labels]` with labels sorted by name.

The bytes are canonical: equal series have equal bytes. The 64-bit id is a hash of the bytes under the secret of the
installation, so that no client can make two series collide; the partition follows from the id. Readers intern the
bytes and decode them once.
"""

import hashlib
from collections.abc import Callable
from typing import Any, TypeAlias

import msgspec
import xxhash

from shared.errors import Rejected
from shared.model.labels import labels_of
from shared.model.series import Series, check_kind, check_metric, check_unit

SeriesId: TypeAlias = Callable[[bytes], int]
"""Gives the bytes of a series their id: 64 bits, signed as Postgres keeps it."""

_Wire = tuple[int, str, str, str, dict[str, str]]
_decoder = msgspec.msgpack.Decoder(_Wire)
_first = msgspec.msgpack.Decoder(list[Any])
_ARRAY_OF_FIVE = b"\x95"
_METRIC_AT = bytes(2 if first < 0x80 else 2 + (1 << (first - 0xCC & 3)) for first in range(256))
"""By the first byte of a tenant, where the metric behind it begins."""
_TEXT_BYTES = bytes(1 + (first & 0x1F) for first in range(256))
"""By its first byte, how many bytes a short text has."""
_LONG_TEXT = 0xD9


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


def tenant_in(packed: bytes) -> int | None:
    """The tenant that any bytes name where those of a series do; None where they name none."""
    try:
        first = _first.decode(packed)[0]
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, IndexError):
        return None
    return first if isinstance(first, int) and 0 <= first < 1 << 63 else None


def kind_of(packed: bytes) -> str:
    """The kind of a series whose bytes are canonical, without decoding the rest."""
    at = 2 if packed[1] < 0x80 else 2 + (1 << packed[1] - 0xCC)
    metric = packed[at]
    at += 2 + packed[at + 1] if metric == 0xD9 else 1 + metric - 0xA0
    return packed[at + 1 : at + 1 + packed[at] - 0xA0].decode()


def head_of(packed: bytes) -> bytes:
    """The first bytes of a series, which name its tenant and metric: equal for all series of a metric."""
    at = _METRIC_AT[packed[1]]
    size = packed[at]
    return packed[: at + (2 + packed[at + 1] if size == _LONG_TEXT else _TEXT_BYTES[size])]


def head(tenant_id: int, metric: str) -> bytes:
    """What `head_of` gives for the series of this metric."""
    return _ARRAY_OF_FIVE + msgspec.msgpack.encode(tenant_id) + msgspec.msgpack.encode(metric)


def keyed(secret: bytes) -> SeriesId:
    """How an installation with this secret makes ids: BLAKE2b with a key, which resists chosen series.

    Without a secret, as builds up to 0.1.0 do: a client who tries 2^32 series finds two with one id.
    """
    if not secret:
        return series_id
    begun = hashlib.blake2b(key=secret, digest_size=8)

    def found(packed: bytes) -> int:
        mac = begun.copy()
        mac.update(packed)
        return int.from_bytes(mac.digest(), "big", signed=True)

    return found


def series_id(packed: bytes) -> int:
    """The id of a series in an installation without a secret."""
    unsigned = xxhash.xxh3_64_intdigest(packed)
    return unsigned - (1 << 64) if unsigned >= 1 << 63 else unsigned


def partition_of(series_id: int, partitions: int) -> int:
    """The partition that owns a series."""
    return series_id % partitions
