"""Takes the rows of series that cannot be stored out of a message, so that its other rows count.

Invariant: each row that is taken out is counted as refused under the tenant that its series names, so that the account
closes.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from services.aggregator.domain.outcomes import RefusedRows
from services.aggregator.domain.repeats import Part
from shared.ledger.entries import REJECTED, Line, coded
from shared.model.point import Points


class MessageRows(NamedTuple):
    """The rows of a message, and what is said of them by their numbers."""

    series: Sequence[bytes]
    """Identities of the series that slots mean."""
    points: Points
    entries: Sequence[Line] | None
    """What its producer let in and refused; None: it does not say."""
    batches: Sequence[Part]
    refused: Sequence[RefusedRows]


class BadSeries(NamedTuple):
    """A series that cannot be stored."""

    tenant_id: int
    code: str
    """Why."""


def without(message: MessageRows, bad: Mapping[int, BadSeries]) -> MessageRows:
    """The message without the rows of these series, given by slot; its ledger entries say what became of them."""
    points = message.points
    kept = ~np.isin(points.slot, list(bad))
    good = [slot for slot in range(len(message.series)) if slot not in bad]
    renumbered = np.zeros(len(message.series), np.uint16)
    renumbered[good] = np.arange(len(good))
    left = points.rows(kept)
    left.slot = renumbered[left.slot]
    return MessageRows(
        [message.series[slot] for slot in good],
        left,
        None if message.entries is None else [*message.entries, *_lines(points, bad)],
        _parts(message.batches, np.concatenate(([0], np.cumsum(kept))).tolist()),
        [(code, rows[kept]) for code, rows in message.refused],
    )


def _lines(points: Points, bad: Mapping[int, BadSeries]) -> list[Line]:
    rows = Counter(points.slot[np.isin(points.slot, list(bad))].tolist())
    found: Counter[tuple[int, str]] = Counter()
    for slot, number in rows.items():
        found[bad[slot].tenant_id, coded(REJECTED, bad[slot].code)] += number
    return [Line(tenant_id, outcome, number) for (tenant_id, outcome), number in found.items()]


def _parts(parts: Sequence[Part], before: Sequence[int]) -> list[Part]:
    """The rows of each batch that are left; `before[n]` rows are left of the first n."""
    moved = [
        (batch_id, body, before[first], before[first + rows] - before[first])
        for batch_id, body, first, rows in parts
    ]
    return [part for part in moved if part[3]]
