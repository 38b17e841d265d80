"""The streams of running totals: what tells them apart, beside their labels.

Nanoseconds since 1970. Two totals of one stream and instant that count since different starts are two streams:
attributes that an SDK could not encode have left them with equal ones.
"""

import numpy as np
from numpy.typing import NDArray

from services.gateway.intake.domain.admission import MAXIMUM, MINIMUM, Mask

UInts = NDArray[np.uint64]


def tell_twins_apart(stream: UInts, total: Mask, time_ns: UInts, start_ns: UInts) -> None:
    """Mix their starts into the streams of totals, where two of a stream and an instant have different ones."""
    totals = np.flatnonzero(total)
    starts, found = start_ns[totals], stream[totals]
    if MINIMUM(starts) == MAXIMUM(starts):
        return
    ordered = np.sort(found)
    if (ordered[1:] == ordered[:-1]).any():
        twins = _of_one_instant(found, time_ns[totals], starts)
        stream[totals[twins]] ^= _mixed(starts[twins])


def _of_one_instant(stream: UInts, time_ns: UInts, start_ns: UInts) -> NDArray[np.int64]:
    """The rows of a stream that has two totals of one instant, counted since different starts."""
    order = np.lexsort((start_ns, time_ns, stream))
    twins = (np.diff(stream[order]) == 0) & (np.diff(time_ns[order]) == 0) & (np.diff(start_ns[order]) != 0)
    return np.unique(np.concatenate((order[1:][twins], order[:-1][twins])))


def _mixed(numbers: UInts) -> UInts:
    """Near numbers, far from each other: the finaliser of SplitMix64."""
    mixed = (numbers ^ (numbers >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.asarray(mixed ^ (mixed >> np.uint64(31)))
