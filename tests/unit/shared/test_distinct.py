"""The distinct count: its merge, its estimate, its bytes."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.model import distinct
from shared.wire.stored import distinct as wire

hashes = st.lists(st.integers(1, 2**64 - 1), max_size=60).map(lambda drawn: np.array(drawn, np.uint64))


def count_of(drawn: np.ndarray) -> tuple[distinct.Registers, distinct.Ranks]:
    """What a count has seen of these hashes."""
    return distinct.merge(*distinct.entries_of(drawn))


def merged(*counts: tuple[distinct.Registers, distinct.Ranks]) -> bytes:
    """The bytes of the merge of counts."""
    registers, ranks = (np.concatenate(column) for column in zip(*counts, strict=True))
    return wire.encode(*distinct.merge(registers, ranks))


@given(hashes, hashes, hashes)
def test_merges_do_not_depend_on_order_or_grouping(
    one: np.ndarray, two: np.ndarray, three: np.ndarray
) -> None:
    """To the byte; and it is as if one count had seen all."""
    first, second, third = count_of(one), count_of(two), count_of(three)
    whole = wire.encode(*count_of(np.concatenate((one, two, three))))

    assert whole == merged(first, second, third) == merged(third, first, second)
    assert whole == merged(wire.decode(merged(first, second)), third)
    assert whole == merged(first, wire.decode(merged(second, third)))


@given(hashes)
def test_repeats_change_nothing(drawn: np.ndarray) -> None:
    """What has been seen is not seen again."""
    assert wire.encode(*count_of(drawn)) == wire.encode(*count_of(np.concatenate((drawn, drawn))))


@pytest.mark.parametrize("seen", [1, 2, 10, 100, 1_000, 4_096, 10_000, 20_000, 100_000, 1_000_000])
def test_estimates_are_within_their_error(seen: int) -> None:
    """The mean of many is near the truth, and they scatter as the source says: 1.04 / sqrt(4096), or less."""
    chance = np.random.default_rng(seen)
    tries = 40 if seen <= 100_000 else 10
    found = [
        distinct.estimate(count_of(chance.integers(1, 2**64, seen, np.uint64, endpoint=False))[1])
        for _ in range(tries)
    ]
    errors = np.array(found) / seen - 1
    standard = 1.04 / math.sqrt(distinct.REGISTERS)

    assert abs(errors.mean()) < 4 * standard / math.sqrt(tries)
    assert math.sqrt((errors**2).mean()) < 1.5 * standard


def test_nothing_seen_is_zero() -> None:
    """An empty count has no registers."""
    assert distinct.estimate(np.zeros(0, np.uint8)) == 0.0


@pytest.mark.parametrize("used", [1365, 1366, 4096])
def test_a_count_grows_dense_where_that_is_shorter(used: int) -> None:
    """Just below, at and above; what is decoded is what was encoded."""
    registers, ranks = np.arange(used, dtype=np.uint16), np.full(used, 53, np.uint8)

    value = wire.encode(registers, ranks)

    assert min(3 * used, 4096) == len(value)
    assert [registers.tolist(), ranks.tolist()] == [column.tolist() for column in wire.decode(value)]


def test_full_registers_are_estimated_too() -> None:
    """No hash can do so, yet a foreign row might: the estimate is a number."""
    assert math.isfinite(distinct.estimate(np.full(4096, 52, np.uint8)))
