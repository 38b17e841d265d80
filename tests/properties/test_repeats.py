"""Laws of the memory of batches: it remembers what a plain list would, whatever its size, and through every restart."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from services.aggregator.domain.remembered import words_of
from services.aggregator.domain.repeats import REMEMBERED_S, Fresh, Part, Repeats

T0_S = 1_760_000_000

Message = tuple[int, list[tuple[int, int]]]
"""Seconds since the message before, and its batches: number and body."""

messages: st.SearchStrategy[list[Message]] = st.lists(
    st.tuples(
        st.sampled_from((-60, 0, 0, 1, 400, REMEMBERED_S, REMEMBERED_S + 1)),
        st.lists(st.tuples(st.integers(0, 7), st.integers(0, 1)), min_size=1, max_size=4),
    ),
    max_size=40,
)


class PlainList:
    """The memory as its words say it."""

    def __init__(self, max_ids: int) -> None:
        self._max_ids = max_ids
        self._known: list[tuple[int, int, int]] = []

    def judge(self, second: int, batches: list[tuple[int, int]]) -> list[str]:
        """What becomes of each batch of a message."""
        now_s = max([second, *(received_s for received_s, _, _ in self._known[-1:])])
        newest = self._known[-self._max_ids :]
        known = {name: body for received_s, name, body in newest if now_s - received_s <= REMEMBERED_S}
        found = []
        for name, body in batches:
            if name not in known:
                known[name] = body
                self._known.append((now_s, name, body))
                found.append("counted")
            else:
                found.append("duplicate" if known[name] == body else "conflict")
        return found


def parts_of(batches: list[tuple[int, int]]) -> list[Part]:
    """A row for each batch."""
    return [(name.to_bytes(8, "big") * 2, body, at, 1) for at, (name, body) in enumerate(batches)]


def judged(memory: Repeats, second: int, batches: list[tuple[int, int]]) -> list[str]:
    """The same question to the memory."""
    verdict = memory.judge(parts_of(batches), second * 1000 + 999, len(batches))
    if verdict is None:
        return ["counted"] * len(batches)
    pairs = zip(verdict.kept.tolist(), verdict.conflict.tolist(), strict=True)
    return ["counted" if kept else "conflict" if conflict else "duplicate" for kept, conflict in pairs]


def restarted(stored: list[Fresh], max_ids: int, newest: int) -> Repeats:
    """A memory that starts from all that was handed over."""
    memory = Repeats(max_ids, newest)
    memory.restore(
        words_of(b"".join(one for fresh in stored for one in fresh.ids)),
        np.array([body for fresh in stored for body in fresh.body], np.uint64),
        np.array([second for fresh in stored for second in fresh.received_s], np.int64),
    )
    return memory


@given(messages, st.integers(1, 9), st.integers(1, 9), st.sets(st.integers(0, 39)))
def test_the_memory_judges_as_a_plain_list_does(
    log: list[Message], max_ids: int, newest: int, restarts: set[int]
) -> None:
    """Message by message, wherever it was stopped and started again from what it had handed over."""
    memory, plain, stored, second = Repeats(max_ids, newest), PlainList(max_ids), list[Fresh](), T0_S
    for at, (step_s, batches) in enumerate(log):
        if at in restarts:
            stored.append(memory.take())
            memory = restarted(stored, max_ids, newest)
        second += step_s

        assert plain.judge(second, batches) == judged(memory, second, batches)
