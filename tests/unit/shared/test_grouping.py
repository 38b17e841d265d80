"""Groups of series: each series is looked at once, whatever list it stands in."""

from collections import Counter
from itertools import chain

import numpy as np

from shared.model.series import Series
from shared.prepared.grouping import NO_GROUP, Grouping, GroupKey, SeriesCodec, SeriesGroups, grouped
from shared.prepared.label_sets import LabelSets
from shared.wire.series import pack, unpack
from tests.support.rows import rows_of

SETS = LabelSets({"m": ((), ("a",)), "n": ((),)})


def series(metric: str, **labels: str) -> bytes:
    """A series of tenant 1."""
    return pack(Series(1, metric, "gauge", "", tuple(sorted(labels.items()))))


class Counting:
    """A codec that counts what it reads."""

    def __init__(self) -> None:
        self.read = Counter[bytes]()
        self.codec = SeriesCodec(self._unpack, pack)

    def _unpack(self, packed: bytes) -> Series:
        self.read[packed] += 1
        return unpack(packed)


def named(grouping: Grouping) -> list[list[tuple[str, dict[str, str]]]]:
    """The label set and the labels of each series' groups."""
    groups = grouping.groups
    return [
        [
            (groups.keys[groups.key_of[one]].label_set, dict(unpack(groups.series[one]).labels))
            for one in row
            if one != NO_GROUP
        ]
        for row in grouping.of_slot.tolist()
    ]


def test_a_series_has_a_group_in_each_set_of_its_metric() -> None:
    """With the labels of the set that it bears; other metrics have none."""
    found = SeriesGroups(SETS, Counting().codec).of(
        [series("m", a="1", b="2"), series("m", b="2"), series("n", a="1"), series("other")]
    )

    assert [[("", {}), ("a", {"a": "1"})], [("", {}), ("a", {})], [("", {})], []] == named(found)


def test_each_series_is_read_once_as_the_list_grows() -> None:
    """What was given before stays as it was, also for who still has it."""
    counting = Counting()
    index, known = SeriesGroups(SETS, counting.codec), [series("n")]
    first = index.of(known)
    known.append(series("m", a="1"))
    second = index.of(known)

    assert [[[("", {})]], [[("", {})], [("", {}), ("a", {"a": "1"})]]] == [named(first), named(second)]
    assert {1} == set(counting.read.values())


def test_another_list_keeps_what_its_series_have() -> None:
    """As when a fold has forgotten series: groups that nobody has any more are forgotten too."""
    counting = Counting()
    index = SeriesGroups(SETS, counting.codec)
    before = [series("m", a=str(n)) for n in range(4)]
    old = index.of(before)
    new = index.of([before[3], before[1], series("m", a="9")])

    assert [[("", {}), ("a", {"a": name})] for name in ("3", "1", "9")] == named(new)
    assert [[("", {}), ("a", {"a": str(n)})] for n in range(4)] == named(old)
    assert (5, 4) == (len(old.groups), len(new.groups))
    assert {1} == set(counting.read.values())


def test_a_series_may_be_added_for_one_work() -> None:
    """As an overflow series is, when its rows are about to be written."""
    index, known = SeriesGroups(SETS, Counting().codec), [series("n")]
    grouping = index.of(known).extended(series("m", a="1"))

    assert [[("", {})], [("", {}), ("a", {"a": "1"})]] == named(grouping)
    assert [[("", {})]] == named(index.of(known))


def test_groups_stand_in_order_whatever_their_numbers() -> None:
    """By window, then by tenant, metric and set, then by the bytes of their series."""
    known = [series("n"), series("m", a="2"), series("m", a="1"), series("m", a="2", b="1")]
    grouping = SeriesGroups(SETS, Counting().codec).of(known)
    rows = rows_of([(slot, start, [float(slot)]) for start in (10_000, 0) for slot in range(4)])

    found = sorted(chain(*grouped(grouping, rows)), key=lambda row: (row.start_ms, row.key))

    assert [
        (start, GroupKey(1, *key)) for start in (0, 10_000) for key in (("m", ""), ("m", "a"), ("n", ""))
    ] == [(row.start_ms, row.key) for row in found]
    assert [series("m", a="1"), series("m", a="2")] == found[1].series
    assert [[6.0], [2.0, 4.0], [0.0]] == [row.rollups.sum.tolist() for row in found[:3]]
    assert all(np.array_equal(row.rollups.slot, np.arange(len(row.series))) for row in found)
