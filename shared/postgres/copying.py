"""The frame of `COPY … (FORMAT binary)`, which every row that is written or read in bulk stands in.

Source: PostgreSQL manual, COPY, "Binary Format". Instants are microseconds from the year 2000 there and milliseconds
UTC here.
"""

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

HEADER = b"PGCOPY\n\xff\r\n\x00" + bytes(8)
"""What a stream begins with: the signature, no flags, no extension."""

END = b"\xff\xff"
"""What a stream ends with, in the place of a row's number of fields."""

NULL = -1
"""Length of a field that is null."""

EPOCH_MS = 946_684_800_000
"""The year 2000."""

Instant = TypeVar("Instant", int, NDArray[np.int64])


def microseconds(ms: Instant) -> Instant:
    """Instants as Postgres sends and receives them."""
    return (ms - EPOCH_MS) * 1000


def milliseconds(microseconds: Instant) -> Instant:
    """Instants that Postgres has sent."""
    return microseconds // 1000 + EPOCH_MS
