"""Writes the files of one day: rows in order, tenant by tenant, as Parquet.

Bytes. Row groups hold so many rows each whatever way the rows came, so equal rows make equal bytes. Memory is bounded
by a row group of one tenant.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from hashlib import sha256
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from shared.files.archive import Archived, columns_read
from shared.files.arrow import columns_of, schema_of

GROUP_ROWS = 1 << 16
"""Rows of a row group."""

BLOCK_BYTES = 4 << 20
"""Text that becomes columns at once."""

CHUNK_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Written:
    """A whole file of a tenant, under no name yet."""

    tenant_id: int
    path: Path
    rows: int
    revisions: int
    bytes: int
    sha256: str


class _TenantFile:
    """The file of one tenant while it grows."""

    def __init__(self, tenant_id: int, path: Path, schema: Any) -> None:
        self.tenant_id = tenant_id
        self._path = path
        self._writer = pq.ParquetWriter(path, schema, compression="zstd")
        self._waiting: Any = schema.empty_table()
        self._rows = self._revisions = 0

    def add(self, rows: Any) -> None:
        """Some more rows."""
        self._rows += rows.num_rows
        if "revision" in rows.schema.names:
            self._revisions += pc.sum(rows.column("revision")).as_py() or 0
        self._waiting = pa.concat_tables([self._waiting, rows])
        while self._waiting.num_rows >= GROUP_ROWS:
            self._write(self._waiting.slice(0, GROUP_ROWS))
            self._waiting = self._waiting.slice(GROUP_ROWS)

    def _write(self, rows: Any) -> None:
        # In one chunk: the bounds of chunks would show in the pages.
        self._writer.write_table(rows.combine_chunks(), row_group_size=GROUP_ROWS)

    def finish(self) -> Written:
        """Write the rest and the footer."""
        if self._waiting.num_rows:
            self._write(self._waiting)
        self._writer.close()
        digest, size = sha256(), 0
        with self._path.open("rb") as file:
            while chunk := file.read(CHUNK_BYTES):
                digest.update(chunk)
                size += len(chunk)
        return Written(self.tenant_id, self._path, self._rows, self._revisions, size, digest.hexdigest())

    def close(self) -> None:
        """Let go of it, whole or not."""
        self._writer.close()


class DayFiles:
    """Takes the rows of a day as Postgres writes them, and has a file for each tenant."""

    def __init__(self, archived: Archived, day: date, folder: Path) -> None:
        self._columns = columns_read(archived)
        self._read = schema_of(self._columns, {})
        self._schema = schema_of(archived.columns, {"table": archived.table, "day": str(day)})
        self._folder = folder
        self._text: list[bytes] = []
        self._size = 0
        self._open: _TenantFile | None = None
        self.rows = 0
        self.written: list[Written] = []

    async def take(self, chunk: bytes) -> None:
        """Some whole rows."""
        self._text.append(chunk)
        self._size += len(chunk)
        if self._size >= BLOCK_BYTES:
            self._end_block()

    def finish(self) -> list[Written]:
        """The files, by tenant, when all rows have come."""
        self._end_block()
        self._end_tenant()
        return self.written

    def _end_block(self) -> None:
        if not self._text:
            return
        batch = columns_of(b"".join(self._text), self._columns, self._read)
        self._text, self._size = [], 0
        self.rows += batch.num_rows
        for tenant_id, rows in _by_tenant(batch):
            if self._open is None or self._open.tenant_id != tenant_id:
                self._end_tenant()
                self._open = _TenantFile(tenant_id, self._folder / f"{tenant_id}.parquet", self._schema)
            self._open.add(rows.cast(self._schema))

    def _end_tenant(self) -> None:
        if self._open is not None:
            self.written.append(self._open.finish())
            self._open = None

    def close(self) -> None:
        """Let go of what is open."""
        if self._open is not None:
            self._open.close()


def _by_tenant(batch: Any) -> Iterator[tuple[int, Any]]:
    """Rows in the order in which they came, a tenant at a time."""
    tenants = batch.column(0).to_numpy()
    rows = pa.Table.from_batches([batch]).drop_columns([batch.schema.names[0]])
    edges = [0, *(np.flatnonzero(np.diff(tenants)) + 1).tolist(), len(tenants)]
    for begin, end in pairwise(edges):
        yield int(tenants[begin]), rows.slice(begin, end - begin)
