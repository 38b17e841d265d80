"""Ids of series: a hash under the secret of the installation, which no client knows.

Source: `faults.md`, "two series with one id".
"""

from collections import Counter

import pytest

from shared.model.series import Series
from shared.wire.series import head, head_of, keyed, pack, partition_of, series_id

COUNT = 12_000


def series(number: int) -> bytes:
    """One of many series."""
    return pack(Series(7, "load", "gauge", "ms", (("n", str(number)),)))


def test_ids_depend_on_the_secret_of_the_installation() -> None:
    """All processes of one agree; who knows another secret, or none, can tell nothing."""
    ours, again, theirs = keyed(b"s" * 32), keyed(b"s" * 32), keyed(b"t" * 32)

    assert ours(series(1)) == again(series(1)) == ours(series(1))
    assert 4 == len({ours(series(1)), theirs(series(1)), series_id(series(1)), ours(series(2))})


def test_an_installation_without_a_secret_keeps_its_ids() -> None:
    """Those of builds up to 0.1.0, by which its series are stored and routed."""
    packed = pack(Series(1, "m", "gauge", "", (("a", "b"),)))

    assert (series_id(packed), -2257199361756766417) == (keyed(b"")(packed), series_id(packed))


def test_keyed_ids_are_signed_64_bit_numbers_and_spread_over_partitions() -> None:
    """As Postgres keeps them, and none of the partitions has a tenth more than its share."""
    ids = [keyed(bytes(range(32)))(series(number)) for number in range(COUNT)]
    owned = Counter(partition_of(one, 12) for one in ids)

    assert COUNT == len(set(ids))
    assert min(ids) < -(1 << 62) < 1 << 62 < max(ids) < 1 << 63
    assert (set(range(12)), True) == (set(owned), max(owned.values()) < COUNT / 12 * 1.1)


@pytest.mark.parametrize("tenant_id", [0, 127, 128, 255, 256, 65_536, 1 << 40])
@pytest.mark.parametrize("metric", ["a", "x" * 31, "x" * 32, "é" * 100], ids=len)
def test_the_head_of_a_series_names_its_tenant_and_metric(tenant_id: int, metric: str) -> None:
    """It is known without decoding, and is that of no other metric."""
    packed = pack(Series(tenant_id, metric, "delta", "s", (("a", "b"),)))

    assert head_of(packed) == head(tenant_id, metric)
    assert head_of(packed) != head(tenant_id + 1, metric)
