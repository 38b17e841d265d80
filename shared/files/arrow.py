"""Fields of CSV, as Postgres writes them, to columns of Arrow. Needs pyarrow, the extra `analytics`.

pyarrow reads a field in some 60 ns. Times are microseconds UTC there, labels a map, lists are lists.
"""

import io
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

from shared.files.columns import NAME_END, PAIR_END, Column, Type

_TIME = pa.timestamp("us", "UTC")
_REPEATED = pa.dictionary(pa.int32(), pa.string())

READ: Mapping[Type, Any] = {
    "time": _TIME, "text": pa.string(), "float": pa.float64(), "integer": pa.int64(), "flag": pa.bool_(),
    "labels": _REPEATED, "json": pa.string(), "integers": pa.string(), "floats": pa.string(), "times": pa.string(),
    "bytes": pa.string(),
}  # fmt: skip
"""What pyarrow reads of a field."""

WRITTEN: Mapping[Type, Any] = {
    **READ,
    "labels": pa.map_(pa.string(), pa.string()),
    "integers": pa.list_(pa.int16()),
    "floats": pa.list_(pa.float64()),
    "times": pa.list_(_TIME),
    "bytes": pa.binary(),
}
"""What stands in the file."""


def schema_of(columns: Sequence[Column], said: Mapping[str, str]) -> Any:
    """The schema of columns; `said` is what its metadata say."""
    return pa.schema([pa.field(column.name, WRITTEN[column.type]) for column in columns], metadata=said)


def columns_of(text: bytes, columns: Sequence[Column], schema: Any) -> Any:
    """Fields of CSV as a batch of columns."""
    names = [column.name for column in columns]
    table = pyarrow.csv.read_csv(
        io.BytesIO(text),
        read_options=pyarrow.csv.ReadOptions(use_threads=False, column_names=names, block_size=len(text) + 1),
        parse_options=pyarrow.csv.ParseOptions(newlines_in_values=True),
        convert_options=pyarrow.csv.ConvertOptions(
            column_types={column.name: READ[column.type] for column in columns},
            null_values=[""], strings_can_be_null=True, quoted_strings_can_be_null=False,
            true_values=["true"], false_values=["false"],
        ),
    )  # fmt: skip
    found = [_shaped(table.column(column.name), column.type) for column in columns]
    return pa.RecordBatch.from_arrays(found, schema=schema)


def _shaped(column: Any, of: Type) -> Any:
    """One column as it stands in the file."""
    whole = column.combine_chunks()
    if of == "labels":
        return _maps(whole.dictionary).take(whole.indices)
    if WRITTEN[of] == READ[of]:
        return whole
    if of == "bytes":
        return pa.array(
            [None if text is None else bytes.fromhex(text) for text in whole.to_pylist()], pa.binary()
        )
    texts = pc.replace_substring_regex(whole, r'[\[\]" ]', "")
    lists = pc.split_pattern(texts, ",")
    # A list without items was split into one empty text.
    items = pc.if_else(pc.equal(texts, ""), pa.scalar([], lists.type), lists)
    return items.cast(WRITTEN[of])


def _maps(texts: Any) -> Any:
    """Labels, each name ended by one sign and each value by another, as maps."""
    counted = pc.count_substring(texts, PAIR_END)
    ends = np.frombuffer(counted.buffers()[1], np.int32, len(counted), 4 * counted.offset)
    names_and_values = pc.replace_substring(texts, NAME_END, PAIR_END)
    parts = pc.list_flatten(pc.split_pattern(names_and_values, PAIR_END))
    # Each text ends in a sign, behind which its split found an empty part.
    last = np.cumsum(2 * ends + 1) - 1
    kept = np.delete(np.arange(len(parts)), last)
    offsets = _ints(np.concatenate(([0], np.cumsum(ends))))
    return pa.MapArray.from_arrays(offsets, parts.take(_ints(kept[::2])), parts.take(_ints(kept[1::2])))


def _ints(values: Any) -> Any:
    """Integers of numpy. `pa.array` and `to_numpy` look for pandas where it is installed, and import it: 30 MB."""
    plain = np.ascontiguousarray(values, np.int32)
    return pa.Array.from_buffers(pa.int32(), len(plain), [None, pa.py_buffer(plain)])
