"""Ids of clients' batches: how the parts of a large one are told apart, and how ids are stored.

The last two bytes of an id hold the number of the part, so that a batch too large for one message has an id in each.
The version stands behind the marks, where builds that know version 4 alone pass it over. Whoever writes or reads the
table `batch_id` knows its bytes from here.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from shared.wire.versions import MODULES, OLD, check

BATCH_ID_BYTES = 16
"""Length of an id."""

STEM_BYTES = 14
"""Its first bytes, which all parts of a batch share."""

MAX_PARTS = 1 << 16
"""Parts of one batch in one partition."""

MARK_BYTES = 3
"""Its first bytes that are stored apart, so that the row of an id is found without reading all ids."""

NOTE = np.dtype([("body", "<u8"), ("received_s", "<u4"), ("rows", "<u4")])
"""What is stored beside an id: hash of its body, log time in seconds, and rows that counted."""


def part_id(batch_id: bytes, number: int) -> bytes:
    """The id of a part of a batch; that of the first part is the batch's own."""
    last = int.from_bytes(batch_id[STEM_BYTES:]) ^ number
    return batch_id[:STEM_BYTES] + last.to_bytes(BATCH_ID_BYTES - STEM_BYTES)


class Row(NamedTuple):
    """The columns of a row that hold bytes."""

    marks: bytes
    """The marks of all ids; from version 5 on, the version in a byte behind them."""
    ids: bytes
    notes: bytes


class Ids(NamedTuple):
    """Ids with what is stored beside them."""

    ids: bytes
    notes: NDArray[np.void]
    """Of the type `NOTE`."""


def encode(found: Ids, version: int = OLD) -> Row:
    """The row of these ids."""
    marks = np.frombuffer(found.ids, np.uint8).reshape(-1, BATCH_ID_BYTES)[:, :MARK_BYTES].tobytes()
    number = b"" if version == 4 else bytes([version])  # the one without
    return Row(marks + number, found.ids, found.notes.tobytes())


def decode(row: Row) -> Ids:
    """The ids of a row; raise `UnknownVersion` for one of another build."""
    if len(row.marks) % MARK_BYTES:
        check("batch ids", row.marks[-1], MODULES)
    return Ids(row.ids, np.frombuffer(row.notes, NOTE))
