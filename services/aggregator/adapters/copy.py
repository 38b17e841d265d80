"""Rollups as a stream for `COPY ... FROM STDIN (FORMAT binary)`, for the staging table or a table of rollups.

Source: PostgreSQL manual, the send formats of its types. asyncpg's own encoder takes 25 us a row for the two arrays of
a sketch, this one 2. Fields are in the order of `COLUMNS`. Only a distinct count may be null: rows that do not know
their samples have `UNKNOWN` there, or go without the column.
"""

from collections.abc import AsyncIterator, Iterable
from itertools import pairwise
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from shared.model.rollup import NEVER_MS, Rollups
from shared.postgres import copying
from shared.postgres.rollup_rows import UNKNOWN
from shared.wire.stored import distinct

COLUMNS = {
    "window_start": "timestamptz", "series_id": "bigint", "revision": "integer", "late_count": "bigint",
    "samples": "bigint", "count": "double precision", "sum": "double precision", "min": "double precision",
    "max": "double precision", "last": "double precision", "last_at": "timestamptz", "watermark": "timestamptz",
    "extremes_estimated": "boolean", "distinct_sketch": "bytea", "sketch_bucket": "smallint[]",
    "sketch_weight": "double precision[]",
}  # fmt: skip
"""Columns and their types; extremes and times are infinite where no point has set them."""

Part: TypeAlias = tuple[Rollups, NDArray[np.int64]]
"""Rows, and the id of each row's series."""

_INT2_OID = 21
_FLOAT8_OID = 701

_SCALARS = (
    ("window_start", ">i8"), ("series_id", ">i8"), ("revision", ">i4"), ("late_count", ">i8"), ("samples", ">i8"),
    ("count", ">f8"), ("sum", ">f8"), ("min", ">f8"), ("max", ">f8"), ("last", ">f8"), ("last_at", ">i8"),
    ("watermark", ">i8"), ("estimated", "u1"),
)  # fmt: skip
_ARRAY = [
    ("bytes", ">i4"),
    ("dimensions", ">i4"),
    ("nulls", ">i4"),
    ("oid", ">i4"),
    ("items", ">i4"),
    ("base", ">i4"),
]


def _row_form(*, sampled: bool) -> np.dtype[np.void]:
    """What stands before the buckets of a row, but for its distinct count."""
    scalars = [scalar for scalar in _SCALARS if sampled or scalar[0] != "samples"]
    fields = [column for name, form in scalars for column in ((f"{name}_bytes", ">i4"), (name, form))]
    head = np.dtype([("fields", ">i2"), *fields, ("distinct_bytes", ">i4")])
    return np.dtype([("head", head), ("bucket", _ARRAY)])


_ARRAYS = 3
"""Fields of a row that are no scalars: the distinct count, buckets and weights."""
_ROWS = {sampled: _row_form(sampled=sampled) for sampled in (True, False)}
_WEIGHTS = np.dtype(_ARRAY)
_BUCKET_ITEM = np.dtype([("bytes", ">i4"), ("item", ">i2")])
_WEIGHT_ITEM = np.dtype([("bytes", ">i4"), ("item", ">f8")])


def are_sampled(parts: Iterable[Part]) -> bool | None:
    """Whether these rows know their samples; None: some do, some do not."""
    unknown = np.concatenate([np.isnan(rows.samples) for rows, _ in parts])
    return not unknown.any() if unknown.all() or not unknown.any() else None


def columns(*, sampled: bool = True) -> list[str]:
    """The columns of a stream."""
    return [name for name in COLUMNS if sampled or name != "samples"]


async def stream(parts: Iterable[Part], *, sampled: bool = True) -> AsyncIterator[bytes]:
    """The whole stream for the rows of these parts, part by part."""
    yield copying.HEADER
    for rows, series_ids in parts:
        yield _tuples(rows, series_ids, _ROWS[sampled])
    yield copying.END


def _tuples(rows: Rollups, series_ids: NDArray[np.int64], form: np.dtype[np.void]) -> bytes:
    packed = _packed(rows)
    heads = memoryview(_heads(rows, series_ids, packed, form).tobytes())
    weights = memoryview(_array_header(np.diff(rows.sketch_at), _FLOAT8_OID, _WEIGHT_ITEM).tobytes())
    bucket_items = memoryview(_items(rows.bucket, _BUCKET_ITEM))
    weight_items = memoryview(_items(rows.weight, _WEIGHT_ITEM))
    chunks: list[bytes | memoryview] = []
    head, middle, bucket, weight = (one.itemsize for one in (form, _WEIGHTS, _BUCKET_ITEM, _WEIGHT_ITEM))
    scalars = form["head"].itemsize
    for row, (begin, end) in enumerate(pairwise(rows.sketch_at.tolist())):
        first = row * head
        if row in packed:
            chunks += (heads[first : first + scalars], packed[row])
            first += scalars
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


def _heads(
    rows: Rollups, series_ids: NDArray[np.int64], packed: dict[int, bytes], form: np.dtype[np.void]
) -> NDArray[np.void]:
    whole = np.zeros(len(rows), form)
    heads = whole["head"]
    names = [name for name, _ in _SCALARS if name in (heads.dtype.names or ())]
    heads["fields"] = len(names) + _ARRAYS
    for name in names:
        heads[f"{name}_bytes"] = heads.dtype[name].itemsize
    if "samples" in names:
        heads["samples"] = np.nan_to_num(rows.samples, nan=UNKNOWN)
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
