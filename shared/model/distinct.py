"""A distinct count: HyperLogLog with 2^12 registers, held sparse as (register, rank) pairs. It merges by maxima.

Source: Flajolet et al., "HyperLogLog", AofA 2007. A hash is xxh3_64 of the string's UTF-8, 0 replaced by 1; its top 12
bits are the register, and the rank is 1 + the leading zeros of the other 52 (1 to 53). The law: how often and in which
order strings come changes nothing, and weights play no part.
"""

import numpy as np
from numpy.typing import NDArray

REGISTER_BITS = 12
"""Bits of a hash that choose the register."""

REGISTERS = 1 << REGISTER_BITS
"""Registers of a distinct count."""

MAX_RANK = 64 - REGISTER_BITS + 1
"""Rank of a hash whose other bits are all 0."""

Registers = NDArray[np.uint16]
Ranks = NDArray[np.uint8]


def entries_of(hashes: NDArray[np.uint64]) -> tuple[Registers, Ranks]:
    """Register and rank of each hash; shape of `hashes`."""
    rest = hashes & np.uint64((1 << (64 - REGISTER_BITS)) - 1)
    # 52 bits are exact as a float, whose exponent is their length.
    length = np.frexp(rest.astype(np.float64))[1]
    return (hashes >> np.uint64(64 - REGISTER_BITS)).astype(np.uint16), (MAX_RANK - length).astype(np.uint8)
