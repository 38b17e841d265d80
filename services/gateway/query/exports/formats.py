"""The formats of exports: how blocks of rows, as Postgres writes them, become the bytes of a file.

An encoder works in a thread of its own and never sees the event loop; one for columns needs pyarrow, which is
optional.
"""

import importlib.util
from collections.abc import Mapping, Sequence
from typing import Protocol

from services.gateway.query.exports.asked.export import Export
from shared.errors import Rejected
from shared.files.columns import Writing

MEDIA: Mapping[str, str] = {
    "csv": "text/csv; charset=utf-8; header=present",
    "jsonl": "application/jsonl",
    "parquet": "application/vnd.apache.parquet",
    "arrow": "application/vnd.apache.arrow.file",
}
"""The media type of each format."""

COLUMNAR = ("parquet", "arrow")
"""Formats that need pyarrow."""

TEXT_BLOCK_BYTES = 256 << 10
"""Text that leaves at once."""


class NotInstalled(Rejected):
    """This process lacks what a format needs."""


class Encoder(Protocol):
    """Turns the rows of one export into a file."""

    writing: Writing
    """How it takes rows."""
    block_bytes: int
    """So much text it takes at once."""
    rows: int | None
    """Rows so far; None: it does not count them."""

    def encode(self, block: Sequence[bytes]) -> bytes:
        """Bytes of the file for some whole rows, perhaps none yet."""
        ...

    def finish(self, rows: int) -> bytes:
        """The last bytes of the file; raise `ValueError` where it has other than so many rows."""
        ...


def check_installed(name: str) -> None:
    """Raise `NotInstalled` for a format whose library is not there."""
    if name in COLUMNAR and importlib.util.find_spec("pyarrow") is None:
        raise NotInstalled(
            "format_not_installed",
            f"format: {name} needs pyarrow; install `tidegauge[analytics]`, or ask for csv",
        )


def encoder_of(export: Export, complete_until: str | None) -> Encoder:
    """The encoder of an export; columns say in their footer what they are of."""
    if export.format not in COLUMNAR:
        return Text(export)
    from services.gateway.query.exports import columnar  # noqa: PLC0415  pyarrow takes 60 MB, and may be absent

    return columnar.Columnar(export, complete_until)


class Text:
    """CSV and lines of JSON go as they come; CSV has a line of names before them."""

    block_bytes = TEXT_BLOCK_BYTES

    def __init__(self, export: Export) -> None:
        self.writing: Writing = "json" if export.format == "jsonl" else "csv"
        # A field of CSV may hold the end of a line.
        self.rows: int | None = 0 if self.writing == "json" else None
        names = ",".join(map(_quoted, (column.name for column in export.columns)))
        self._head = names.encode() + b"\n" if self.writing == "csv" else b""

    def encode(self, block: Sequence[bytes]) -> bytes:
        """The same bytes."""
        text = b"".join((self._head, *block))
        self._head = b""
        if self.rows is not None:
            self.rows += text.count(b"\n")
        return text

    def finish(self, rows: int) -> bytes:
        """The line of names, where nothing else came."""
        if self.rows not in {None, rows}:
            raise ValueError(f"{self.rows} lines for {rows} rows")
        return self._head


def _quoted(name: str) -> str:
    """A name as CSV has it, in quotes where it must be."""
    return '"' + name.replace('"', '""') + '"' if set(name) & set(',"') else name
