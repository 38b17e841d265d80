"""Which rows of a message count: repeats and refused rows are left out, each with its outcome for the ledger.

Invariant: each row has one outcome; that of a repeat goes before that of a refusal.
"""

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from services.aggregator.domain.repeats import Verdict
from shared.ledger.entries import CONFLICT, DUPLICATE, REJECTED, coded

Mask: TypeAlias = NDArray[np.bool_]

RefusedRows: TypeAlias = tuple[str, Mask]
"""Code of a refusal, and the rows of a message that it is about."""


def left_out(verdict: Verdict | None, refused: Sequence[RefusedRows]) -> list[tuple[str, Mask]]:
    """The outcomes of the rows that do not count, disjoint; empty when all do."""
    found = []
    if verdict is not None:
        found += [(DUPLICATE, ~verdict.kept & ~verdict.conflict), (CONFLICT, verdict.conflict)]
    for code, rows in refused:
        for _, others in found:
            rows = rows & ~others  # noqa: PLW2901 # what is left of them
        found.append((coded(REJECTED, code), rows))
    return found


def kept(left: Sequence[tuple[str, Mask]]) -> Mask:
    """The rows that count, where these are left out."""
    return np.asarray(~np.logical_or.reduce([rows for _, rows in left]))
