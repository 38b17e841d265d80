"""A series that cannot be stored: its rows are refused, all others of the message count, and the account closes."""

from collections import Counter

import msgspec
import numpy as np
import pytest

from services.aggregator.adapters.stream import PointFold
from services.aggregator.domain.repeats import Repeats
from shared.errors import Rejected
from shared.ledger.accounts import Account
from shared.ledger.entries import Line
from shared.model.point import Points
from shared.model.series import Series
from shared.stream.processor import Key, Record, Stored
from shared.wire import envelope
from shared.wire.series import pack

KEY = Key("points", 0)
NOW = 1_732_252_800_000
GOOD = pack(Series(1, "m", "gauge", "", ()))
OTHER = pack(Series(2, "m", "gauge", "", ()))
BAD = msgspec.msgpack.encode((1, "m", "no kind", "", {}))


def folded(series: list[bytes], slot: list[int], *batches: envelope.Part) -> dict[int, Account]:
    """What the ledger says of each tenant after a message with these rows."""
    tenants = Counter(msgspec.msgpack.decode(series[one])[0] for one in slot)
    points = Points(np.array(slot, np.uint16), np.full(len(slot), NOW), np.ones(len(slot)))
    entries = [Line(tenant_id, "received", rows) for tenant_id, rows in tenants.items()]
    fold = PointFold(KEY, Stored(1, 0, None, b"", None), {}, Repeats())
    fold.fold(
        Record(
            0, NOW, envelope.encode(envelope.PointBatch("p", 1, NOW, series, points, list(batches), entries))
        )
    )
    counts: dict[int, Counter[str]] = {}
    for entry, number in fold.checkpoint().work.ledger.items():
        counts.setdefault(entry.tenant_id, Counter())[entry.outcome] += number
    assert {0} == {Account(each).difference for each in counts.values()}
    return {tenant_id: Account(each) for tenant_id, each in counts.items()}


def test_the_rows_of_a_bad_series_are_refused_and_all_others_count() -> None:
    """Those of another tenant above all; the slots of what is left mean the same series."""
    found = folded([OTHER, BAD, GOOD], [0, 1, 2, 2, 1, 0, 0])

    assert (2, 2) == (found[1].of("counted"), sum(found[1].by_code("rejected").values()))
    assert (3, {}) == (found[2].of("counted"), found[2].by_code("rejected"))


def test_batches_keep_the_rows_that_are_left() -> None:
    """A batch of bad rows alone is not remembered; a repeat within the message still is one."""
    parts = (
        envelope.Part(b"a" * 16, 7, 0, 2),
        envelope.Part(b"b" * 16, 7, 2, 1),
        envelope.Part(b"a" * 16, 7, 3, 2),
    )

    found = folded([BAD, GOOD], [0, 1, 0, 1, 1], *parts)

    assert (1, 2, 2) == (
        found[1].of("counted"),
        found[1].of("duplicate"),
        sum(found[1].by_code("rejected").values()),
    )


def test_a_series_that_names_no_tenant_spoils_its_message() -> None:
    """Nobody's account could tell of it."""
    points = Points(np.zeros(1, np.uint16), np.full(1, NOW), np.ones(1))
    value = envelope.encode(envelope.PointBatch("p", 1, NOW, [b"\xc1"], points, [], []))

    with pytest.raises(Rejected):
        PointFold(KEY, Stored(1, 0, None, b"", None), {}, Repeats()).fold(Record(0, NOW, value))
