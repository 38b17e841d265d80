"""Batches of clients that come again are known by their ids, for 15 minutes of the log's time."""

import numpy as np
import pytest

from services.aggregator.domain.remembered import words_of
from services.aggregator.domain.repeats import REMEMBERED_S, Fresh, Part, Repeats

T0 = 1_760_000_000_000
SPAN_MS = REMEMBERED_S * 1000


def part(name: int, body: int = 7, first: int = 0, rows: int = 1) -> Part:
    """Rows of the batch of this name."""
    return name.to_bytes(8, "big") * 2, body, first, rows


def kept(repeats: Repeats, after_ms: int, *parts: Part, rows: int = 1) -> list[bool]:
    """Which rows of a message count that was appended so long after T0."""
    verdict = repeats.judge(parts, T0 + after_ms, rows)
    return [True] * rows if verdict is None else verdict.kept.tolist()


def restored(fresh: Fresh, max_ids: int = 1000) -> Repeats:
    """A memory that starts from these ids."""
    memory = Repeats(max_ids)
    memory.restore(words_of(b"".join(fresh.ids)), np.array(fresh.body, np.uint64), np.array(fresh.received_s))
    return memory


def test_rows_of_a_known_batch_are_left_out() -> None:
    """Only its own rows: those of its neighbours, and of no batch, count."""
    repeats = Repeats()
    first = repeats.judge([part(1, first=0, rows=2)], T0, 3)

    verdict = repeats.judge([part(2, first=0, rows=2), part(1, first=3, rows=2)], T0, 6)

    assert first is None
    assert verdict is not None
    assert [True, True, True, False, False, True] == verdict.kept.tolist()
    assert not verdict.conflict.any()


def test_another_body_under_a_known_id_is_a_conflict() -> None:
    """It is left out as well, and told apart from a plain repeat."""
    repeats = Repeats()
    repeats.judge([part(1, body=7), part(2, body=1 << 63, first=1)], T0, 2)

    verdict = repeats.judge([part(1, body=8), part(2, body=1 << 63, first=1)], T0, 2)

    assert verdict is not None
    assert ([False, False], [True, False]) == (verdict.kept.tolist(), verdict.conflict.tolist())


def test_a_batch_that_comes_twice_in_one_message_counts_once() -> None:
    """A client may repeat itself before the gateway has written its first attempt."""
    repeats = Repeats()

    assert [True, False] == kept(repeats, 0, part(1), part(1, first=1), rows=2)


@pytest.mark.parametrize("newest", [1, 1000])
@pytest.mark.parametrize(
    ("after_ms", "counts"),
    [(SPAN_MS - 1000, False), (SPAN_MS + 999, False), (SPAN_MS + 1000, True)],
    ids=["below", "at", "above"],
)
def test_an_id_is_remembered_for_fifteen_minutes(newest: int, after_ms: int, counts: bool) -> None:
    """To the second of the log's time, wherever the memory holds it."""
    repeats = Repeats(newest=newest)
    kept(repeats, 0, part(1))

    assert [counts] == kept(repeats, after_ms, part(1))
    assert [False] == kept(repeats, after_ms, part(1))


def test_an_append_time_that_goes_back_forgets_nothing() -> None:
    """Log time is the highest that was seen with a new id."""
    repeats = Repeats()
    kept(repeats, SPAN_MS, part(1))
    kept(repeats, 0, part(2))

    assert [False] == kept(repeats, 2 * SPAN_MS, part(2))
    assert [True] == kept(repeats, 2 * SPAN_MS + 1000, part(2))


@pytest.mark.parametrize("newest", [1, 1000])
def test_the_oldest_ids_make_room_for_newer_ones(newest: int) -> None:
    """Below and at the bound all are known; above it the oldest is forgotten, and counted."""
    repeats = Repeats(max_ids=3, newest=newest)
    for name in (1, 2, 3):
        kept(repeats, 0, part(name))
    full = [kept(repeats, 0, part(name)) for name in (1, 2, 3)]
    before = repeats.evicted

    kept(repeats, 0, part(4))

    assert [[False]] * 3 == full
    assert (0, 1) == (before, repeats.evicted)
    assert [[False], [False], [True]] == [kept(repeats, 0, part(name)) for name in (2, 4, 1)]


def test_ids_that_are_too_old_do_not_count_as_evicted() -> None:
    """They had their time."""
    repeats = Repeats(max_ids=2)
    kept(repeats, 0, part(1), part(2, first=1), rows=2)

    kept(repeats, SPAN_MS + 1000, part(3), part(4, first=1), rows=2)

    assert 0 == repeats.evicted


def test_new_ids_are_handed_over_once() -> None:
    """With their bodies, rows and log time, in the order of the log; repeats are not among them."""
    repeats = Repeats()
    kept(repeats, 0, part(1, body=5, rows=2), rows=2)
    kept(repeats, 1500, part(1), part(2, body=6, first=1), rows=2)

    waiting, fresh = repeats.waiting, repeats.take()

    second = T0 // 1000
    assert Fresh([part(1)[0], part(2)[0]], [5, 6], [2, 1], [second, second + 1]) == fresh
    assert (2, 0, []) == (waiting, repeats.waiting, repeats.take().ids)


def test_a_memory_goes_on_from_what_was_stored() -> None:
    """With the same time, so that it forgets at the same message."""
    before = Repeats()
    for name, after_ms in ((1, 0), (2, 5_000), (3, 9_000)):
        kept(before, after_ms, part(name))

    after = restored(before.take())

    assert [False] == kept(after, SPAN_MS, part(1))
    assert [True] == kept(after, SPAN_MS + 1_000, part(1))
    assert [False] == kept(after, SPAN_MS + 5_000, part(2))


def test_a_memory_that_starts_from_too_much_takes_the_newest() -> None:
    """Rows of the table may reach further back than the memory."""
    stored = Fresh([part(name)[0] for name in range(4)], [7] * 4, [1] * 4, [0, 1000, 1001, 1002])

    memory = restored(stored, max_ids=2)

    assert [[False], [False]] == [
        [bool(v.kept[0])] for name in (2, 3) if (v := memory.judge([part(name)], 0, 1)) is not None
    ]
    assert [None, None] == [memory.judge([part(name)], 0, 1) for name in (0, 1)]


def test_ids_that_share_a_word_are_two_ids() -> None:
    """The columns are sorted by one half of the id, and compare both."""
    repeats = Repeats(newest=1)
    repeats.judge([(b"\x01" * 8 + b"\x02" * 8, 7, 0, 1)], T0, 1)

    other = repeats.judge([(b"\x03" * 8 + b"\x02" * 8, 7, 0, 1)], T0, 1)

    assert other is None


def test_a_message_without_batches_changes_nothing() -> None:
    """Most bear none: ingest's, and those of clients that give neither keys nor times."""
    repeats = Repeats()

    assert repeats.judge([], T0, 5) is None
    assert [] == repeats.take().ids
