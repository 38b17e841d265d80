"""Stored rows as columns, from `COPY (…) TO STDOUT (FORMAT binary)`.

Times are milliseconds UTC. asyncpg's records cost 25 us a row for the two arrays of a sketch, this reader 3. Values
that the aggregator wrote are read back bit by bit; a null in a table becomes infinity, or `NEVER_MS`, in the columns.
"""

from struct import Struct
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from shared.model.rollup import NEVER_MS, Ints, Rollups
from shared.postgres.connections import AnyConnection
from shared.postgres.copying import END, HEADER, milliseconds
from shared.wire.stored import distinct

UNKNOWN = -(1 << 63)
"""Samples that are not known, where a null cannot stand."""

_SELECTED = """
    cardinality(r.sketch_bucket), coalesce(octet_length(r.distinct_sketch), 0), {}::integer, r.series_id,
    r.window_start, r.revision, r.late_count, coalesce(r.samples, '-9223372036854775808'),
    r.count, r.sum, coalesce(r.min, 'Infinity'), coalesce(r.max, '-Infinity'), coalesce(r.last, 0),
    coalesce(r.last_at, '-infinity'), r.watermark, r.extremes_estimated::integer, r.sketch_bucket, r.sketch_weight,
    coalesce(r.distinct_sketch, '')
"""

_SCALARS = (
    ("buckets", ">i4"), ("distinct_bytes", ">i4"), ("place", ">i4"), ("series_id", ">i8"), ("start", ">i8"),
    ("revision", ">i4"), ("late_count", ">i8"), ("samples", ">i8"), ("count", ">f8"), ("sum", ">f8"), ("min", ">f8"),
    ("max", ">f8"), ("last", ">f8"), ("last_at", ">i8"), ("watermark", ">i8"), ("estimated", ">i4"),
)  # fmt: skip
_HEAD = np.dtype(
    [("fields", ">i2")]
    + [column for name, form in _SCALARS for column in ((f"{name}_bytes_", ">i4"), (name, form))]
)
_SIZES = Struct(">6xi4xi")
_BUCKET_ITEM = np.dtype([("bytes", ">i4"), ("item", ">i2")])
_WEIGHT_ITEM = np.dtype([("bytes", ">i4"), ("item", ">f8")])

_FULL_ARRAY, _EMPTY_ARRAY = 24, 16
"""Bytes before the items of an array, its own length included."""


class Stored(NamedTuple):
    """Rows with what tells them apart; their slots are not set."""

    place: Ints
    series_id: Ints
    rollups: Rollups


def selected(place: str) -> str:
    """What a query has to select of the table `r`; `place` is a number that tells its rows apart."""
    return _SELECTED.format(place)


async def read(conn: AnyConnection, query: str) -> Stored:
    """The rows of a query that selects what `selected` says."""
    return parsed(await stream(conn, query))


async def stream(
    conn: AnyConnection, query: str, *arguments: object, timeout_s: float | None = None
) -> bytes:
    """The same as bytes, for `parsed`: a query of many rows is parsed elsewhere than on the event loop."""
    chunks: list[bytes] = []

    async def keep(chunk: bytes) -> None:
        chunks.append(chunk)

    await conn.copy_from_query(query, *arguments, output=keep, format="binary", timeout=timeout_s)
    return b"".join(chunks)


def parsed(stream: bytes) -> Stored:
    """The rows of a whole stream."""
    view, offset = memoryview(stream), len(HEADER)
    heads, buckets, weights, packed = [], [], [], []
    while stream[offset : offset + len(END)] != END:
        items, distinct_bytes = _SIZES.unpack_from(stream, offset)
        header = _FULL_ARRAY if items else _EMPTY_ARRAY
        bucket = offset + _HEAD.itemsize + header
        weight = bucket + items * _BUCKET_ITEM.itemsize + header
        end = weight + items * _WEIGHT_ITEM.itemsize + 4
        heads.append(view[offset : offset + _HEAD.itemsize])
        buckets.append(view[bucket : weight - header])
        weights.append(view[weight : end - 4])
        packed.append(stream[end : end + distinct_bytes])
        offset = end + distinct_bytes
    head = np.frombuffer(b"".join(heads), _HEAD)
    return _stored(head, _items(buckets, _BUCKET_ITEM), _items(weights, _WEIGHT_ITEM), packed)


def _items(parts: list[memoryview], form: np.dtype[np.void]) -> NDArray[np.generic]:
    return np.frombuffer(b"".join(parts), form)["item"]


def _stored(
    head: NDArray[np.void], bucket: NDArray[np.generic], weight: NDArray[np.generic], packed: list[bytes]
) -> Stored:
    columns: dict[str, Any] = {name: head[name].astype(np.int64) for name in ("revision", "late_count")}
    columns |= {name: head[name].astype(np.float64) for name in ("count", "sum", "min", "max", "last")}
    counts = [distinct.decode(value) for value in packed if value]
    registers, ranks = zip(*counts, strict=True) if counts else ((), ())
    sizes = np.zeros(len(head), np.int64)
    sizes[head["distinct_bytes"] > 0] = [len(register) for register in registers]
    samples = head["samples"].astype(np.int64)
    last_at = head["last_at"].astype(np.int64)
    return Stored(
        head["place"].astype(np.int64),
        head["series_id"].astype(np.int64),
        Rollups(
            **columns,
            samples=np.where(samples == UNKNOWN, np.nan, samples),
            slot=np.zeros(len(head), np.int64),
            start_ms=milliseconds(head["start"].astype(np.int64)),
            last_ms=np.where(last_at == NEVER_MS, NEVER_MS, milliseconds(last_at)),
            watermark_ms=milliseconds(head["watermark"].astype(np.int64)),
            estimated=head["estimated"] != 0,
            sketch_at=np.concatenate(([0], np.cumsum(head["buckets"].astype(np.int64)))),
            bucket=bucket.astype(np.int16),
            weight=weight.astype(np.float64),
            distinct_at=np.concatenate(([0], np.cumsum(sizes))),
            register=np.concatenate((np.zeros(0, np.uint16), *registers)),
            rank=np.concatenate((np.zeros(0, np.uint8), *ranks)),
        ),
    )
