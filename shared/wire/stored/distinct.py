"""A distinct count as bytes, as it is stored in a table.

Sparse: an entry of 3 bytes for each register in use, ascending: the register (uint16, big-endian) and its rank. Dense,
where that is not longer: 4,096 bytes, the rank of each register. Equal counts have equal bytes.
"""

import numpy as np

from shared.model.distinct import REGISTERS, Ranks, Registers

_ENTRY = np.dtype([("register", ">u2"), ("rank", "u1")])


def encode(registers: Registers, ranks: Ranks) -> bytes:
    """The bytes of ascending registers with their ranks."""
    if len(registers) * _ENTRY.itemsize < REGISTERS:
        entries = np.zeros(len(registers), _ENTRY)
        entries["register"], entries["rank"] = registers, ranks
        return entries.tobytes()
    dense = np.zeros(REGISTERS, np.uint8)
    dense[registers] = ranks
    return dense.tobytes()


def decode(value: bytes) -> tuple[Registers, Ranks]:
    """Ascending registers and their ranks."""
    if len(value) == REGISTERS:
        dense = np.frombuffer(value, np.uint8)
        registers = np.flatnonzero(dense).astype(np.uint16)
        return registers, dense[registers]
    entries = np.frombuffer(value, _ENTRY)
    return entries["register"].astype(np.uint16), entries["rank"].copy()
