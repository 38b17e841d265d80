"""Rollups as a stream for `COPY ... FROM STDIN (FORMAT binary)`, for the staging table or a table of rollups.

Source: PostgreSQL manual, the send formats of its types. asyncpg's own encoder takes 25 us a row for the two arrays of
a sketch, this one 2. Fields are in the order of `COLUMNS`. Only a distinct count may be null.
"""

from collections.abc import AsyncIterator, Iterable
from itertools import pairwise
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from services.aggregator.domain.windows.cells import NEVER_MS
from shared.model.rollup import Rollups
from shared.postgres import copying
from shared.wire.stored import distinct

COLUMNS = {
    "window_start": "timestamptz", "series_id": "bigint", "revision": "integer", "late_count": "bigint",
    "count": "double precision", "sum": "double precision", "min": "double precision", "max": "double precision",
    "last": "double precision", "last_at": "timestamptz", "watermark": "timestamptz",
    "extremes_estimated": "boolean", "distinct_sketch": "bytea", "sketch_bucket": "smallint[]",
    "sketch_weight": "double precision[]",
}  # fmt: skip
"""Columns and their types; extremes and times are infinite where no point has set them."""

Part: TypeAlias = tuple[Rollups, NDArray[np.int64]]
"""Rows, and the id of each row's series."""

_INT2_OID = 21
_FLOAT8_OID = 701

_SCALARS = (
    ("window_start", ">i8"), ("series_id", ">i8"), ("revision", ">i4"), ("late_count", ">i8"), ("count", ">f8"),
    ("sum", ">f8"), ("min", ">f8"), ("max", ">f8"), ("last", ">f8"), ("last_at", ">i8"), ("watermark", ">i8"),
    ("estimated", "u1"),
)  # fmt: skip
_ARRAY = [
    ("bytes", ">i4"),
    ("dimensions", ">i4"),
    ("nulls", ">i4"),
    ("oid", ">i4"),
    ("items", ">i4"),
    ("base", ">i4"),
]
_HEAD = np.dtype(
    [("fields", ">i2")]
    + [column for name, form in _SCALARS for column in ((f"{name}_bytes", ">i4"), (name, form))]
    + [("distinct_bytes", ">i4")]
)
_ROW = np.dtype([("head", _HEAD), ("bucket", _ARRAY)])
_WEIGHTS = np.dtype(_ARRAY)
_BUCKET_ITEM = np.dtype([("bytes", ">i4"), ("item", ">i2")])
_WEIGHT_ITEM = np.dtype([("bytes", ">i4"), ("item", ">f8")])


async def stream(parts: Iterable[Part]) -> AsyncIterator[bytes]:
    """The whole stream for the rows of these parts, part by part."""
    yield copying.HEADER
    for rows, series_ids in parts:
        yield _tuples(rows, series_ids)
    yield copying.END


def _tuples(rows: Rollups, series_ids: NDArray[np.int64]) -> bytes:
    packed = _packed(rows)
    heads = memoryview(_heads(rows, series_ids, packed).tobytes())
    weights = memoryview(_array_header(np.diff(rows.sketch_at), _FLOAT8_OID, _WEIGHT_ITEM).tobytes())
    bucket_items = memoryview(_items(rows.bucket, _BUCKET_ITEM))
    weight_items = memoryview(_items(rows.weight, _WEIGHT_ITEM))
    chunks: list[bytes | memoryview] = []
    head, middle, bucket, weight = (form.itemsize for form in (_ROW, _WEIGHTS, _BUCKET_ITEM, _WEIGHT_ITEM))
    for row, (begin, end) in enumerate(pairwise(rows.sketch_at.tolist())):
        first = row * head
        if row in packed:
            chunks += (heads[first : first + _HEAD.itemsize], packed[row])
            first += _HEAD.itemsize
        chunks += (
            heads[first : (row + 1) * head],
            bucket_items[begin * bucket : end * bucket],
            weights[row * middle : (row + 1) * middle],
            weight_items[begin * weight : end * weight],
        )
    return b"".join(chunks)


def _packed(rows: Rollups) -> dict[int, bytes]:
    """The distinct counts of the rows that have one."""
    at = rows.distinct_at
    return {
        row: distinct.encode(rows.register[at[row] : at[row + 1]], rows.rank[at[row] : at[row + 1]])
        for row in np.flatnonzero(np.diff(at)).tolist()
    }


def _heads(rows: Rollups, series_ids: NDArray[np.int64], packed: dict[int, bytes]) -> NDArray[np.void]:
    whole = np.zeros(len(rows), _ROW)
    heads = whole["head"]
    heads["fields"] = len(COLUMNS)
    for name, form in _SCALARS:
        heads[f"{name}_bytes"] = np.dtype(form).itemsize
    heads["window_start"] = copying.microseconds(rows.start_ms)
    heads["watermark"] = copying.microseconds(rows.watermark_ms)
    # The smallest number is Postgres's word for minus infinity.
    heads["last_at"] = np.where(rows.last_ms > NEVER_MS, copying.microseconds(rows.last_ms), NEVER_MS)
    heads["series_id"] = series_ids
    for name in ("revision", "late_count", "count", "sum", "min", "max", "last", "estimated"):
        heads[name] = getattr(rows, name)
    heads["distinct_bytes"] = copying.NULL
    heads["distinct_bytes"][list(packed)] = [len(value) for value in packed.values()]
    whole["bucket"] = _array_header(np.diff(rows.sketch_at), _INT2_OID, _BUCKET_ITEM)
    return whole


def _array_header(sizes: NDArray[np.int64], oid: int, item: np.dtype[np.void]) -> NDArray[np.void]:
    header = np.zeros(len(sizes), _WEIGHTS)
    header["bytes"] = _WEIGHTS.itemsize - 4 + sizes * item.itemsize
    header["dimensions"], header["oid"], header["base"] = 1, oid, 1
    header["items"] = sizes
    return header


def _items(column: NDArray[np.generic], form: np.dtype[np.void]) -> bytes:
    items = np.zeros(len(column), form)
    items["bytes"] = form["item"].itemsize
    items["item"] = column
    return items.tobytes()
