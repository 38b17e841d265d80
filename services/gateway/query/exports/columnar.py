"""Parquet and Arrow: fields of CSV to columns, columns to a file that ends in a footer.

pyarrow reads a field of CSV in some 60 ns. A file that was cut lacks its footer and does not open. Metadata of the
file are the question, the instant up to which its windows are complete (RFC 3339, UTC) and, where the footer has room,
the rows.
"""

import io
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from services.gateway.query.exports.asked.export import Export
from shared.files.arrow import columns_of, schema_of
from shared.files.columns import Writing

BLOCK_BYTES = 1 << 20
"""Text that becomes columns at once."""

GROUP_ROWS = 1 << 14
"""Rows of a row group of Parquet, or of a batch of Arrow: with four times as many a process takes 50 MiB more."""

GROUP_BYTES = 4 << 20
"""It is written before, when its columns have so many bytes."""


class Columnar:
    """The encoder of a file of columns."""

    writing: Writing = "fields"
    block_bytes = BLOCK_BYTES

    def __init__(self, export: Export, complete_until: str | None) -> None:
        self.rows: int | None = 0
        self._columns = export.columns
        self._tail = _Tail()
        self._waiting: list[Any] = []
        said = {"question": orjson.dumps(export.asked).decode(), "complete_until": complete_until or ""}
        self._file = _FILES[export.format](self._tail, schema_of(export.columns, said))

    def encode(self, block: Sequence[bytes]) -> bytes:
        """Read some rows; those of a whole group are written."""
        batch = columns_of(b"".join(block), self._columns, self._file.schema)
        self._waiting.append(batch)
        self.rows = (self.rows or 0) + batch.num_rows
        rows, size = (sum(getattr(one, name) for one in self._waiting) for name in ("num_rows", "nbytes"))
        if rows >= GROUP_ROWS or size >= GROUP_BYTES:
            self._write()
        return self._tail.taken()

    def finish(self, rows: int) -> bytes:
        """Write the rest and the footer."""
        if rows != self.rows:
            raise ValueError(f"{self.rows} rows were read of {rows}")
        self._write()
        self._file.close(rows)
        return self._tail.taken()

    def _write(self) -> None:
        if self._waiting:
            self._file.write(pa.Table.from_batches(self._waiting))
            self._waiting.clear()


class _File(Protocol):
    schema: Any

    def write(self, rows: Any) -> None: ...

    def close(self, rows: int) -> None: ...


class _Parquet:
    """Row groups, then a footer with the metadata."""

    def __init__(self, tail: "_Tail", schema: Any) -> None:
        self.schema = schema
        self._writer = pq.ParquetWriter(tail, schema, compression="zstd", store_schema=True)

    def write(self, rows: Any) -> None:
        self._writer.write_table(rows, row_group_size=rows.num_rows)

    def close(self, rows: int) -> None:
        self._writer.add_key_value_metadata({"rows": str(rows)})
        self._writer.close()


class _Arrow:
    """Batches, then a footer; the rows stand in an empty batch at the end, for its metadata stand before the rest."""

    def __init__(self, tail: "_Tail", schema: Any) -> None:
        self.schema = schema
        self._writer = pa.ipc.new_file(tail, schema, options=pa.ipc.IpcWriteOptions(compression="zstd"))

    def write(self, rows: Any) -> None:
        self._writer.write_table(rows.combine_chunks())

    def close(self, rows: int) -> None:
        empty = pa.RecordBatch.from_arrays(
            [pa.nulls(0, each.type) for each in self.schema], schema=self.schema
        )
        self._writer.write_batch(empty, custom_metadata={"rows": str(rows)})
        self._writer.close()


_FILES: Mapping[str, Callable[["_Tail", Any], _File]] = {"parquet": _Parquet, "arrow": _Arrow}


class _Tail(io.RawIOBase):
    """A file that is taken away while it grows."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._size = 0

    def writable(self) -> bool:
        return True

    def position(self) -> int:
        """How many bytes were ever written: footers say where parts begin."""
        return self._size

    tell = position

    def write(self, data: Any) -> int:
        part = bytes(data)
        self._parts.append(part)
        self._size += len(part)
        return len(part)

    def taken(self) -> bytes:
        """What was written since."""
        parts, self._parts = self._parts, []
        return b"".join(parts)
