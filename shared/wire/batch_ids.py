"""Ids of clients' batches: how the parts of a large one are told apart, and how ids are stored.

The last two bytes of an id hold the number of the part, so that a batch too large for one message has an id in each.
The law: whoever writes or reads the table `batch_id` knows its bytes from here.
"""

import numpy as np

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
