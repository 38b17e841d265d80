"""Two series with one id on real tables: sums of tenants and metrics stay right, whoever knew of whom.

Ids are narrowed to 8 bits, in a part of the numbers that no other test uses. Source: `faults.md`, "two series with
one id".
"""

import secrets
import zlib
from collections import Counter

import numpy as np
import pytest

from services.aggregator.adapters import collisions
from services.aggregator.adapters.postgres import RollupTables
from services.aggregator.domain.partition_series import SeriesNames
from services.aggregator.service import Arrival, PartitionFold
from shared.model.point import Points
from shared.model.series import Series
from shared.postgres import connections
from shared.runtime.clock import now_ms
from shared.stream.processor import Key
from shared.wire.series import checked, kind_of, pack, tenant_of

pytestmark = pytest.mark.servers

TENANTS, METRICS, SERIES = 3, 2, 25
"""150 series for 256 ids."""

ROUNDS = 4


class Partition:
    """A partition with a fold, and tables behind it that others write as well."""

    def __init__(self, pool: connections.Pool, number: int) -> None:
        self._pool = pool
        self.number = number
        self._base = secrets.randbits(54) << 8
        self._seq = 0
        self._start_ms = now_ms() // 900_000 * 900_000

    def id_of(self, packed: bytes) -> int:
        """One of 256."""
        return self._base + (zlib.crc32(packed) & 0xFF)

    async def begin(self) -> None:
        """A process that knows nothing but the tables."""
        async with connections.connection(self._pool) as conn:
            taken = await collisions.kept(conn)
        names = SeriesNames(self.id_of, collisions.overflow_in(self.number), taken)
        self.fold = PartitionFold(checked, tenant_of, kind_of, names)

    def feed(self, series: list[bytes], values: list[float]) -> None:
        """A point of each series, each in its own window of time; the window before closes."""
        self._seq += 1
        at_ms = self._start_ms + self._seq * 20_000
        points = Points(
            np.arange(len(series), dtype=np.uint16), np.full(len(series), at_ms), np.array(values)
        )
        self.fold.fold(Arrival("g", self._seq, at_ms, series), points)

    async def save(self) -> None:
        """One commit."""
        async with connections.connection(self._pool) as conn, conn.transaction():
            key = Key(f"collisions-{self._base}", self.number)
            await RollupTables(id_of=self.id_of).save(conn, {key: self.fold.checkpoint()})


async def test_sums_of_tenants_and_metrics_stay_right_when_series_share_ids(pool: connections.Pool) -> None:
    """Series come in another order after each restart, so that the tables know those whom the fold does not."""
    partition, chance = Partition(pool, 5), np.random.default_rng(3)
    tenants = [secrets.randbits(40) for _ in range(TENANTS)]
    series = [
        pack(Series(tenant_id, f"m{metric}", "gauge", "", (("n", str(number)),)))
        for tenant_id in tenants
        for metric in range(METRICS)
        for number in range(SERIES)
    ]
    expected: Counter[tuple[int, str]] = Counter()
    for _ in range(ROUNDS):
        await partition.begin()
        for _ in range(2):
            some = [series[at] for at in chance.permutation(len(series))[:100].tolist()]
            partition.feed(some, [2.0**at for at in range(20)] * 5)
            for packed, value in zip(some, [2.0**at for at in range(20)] * 5, strict=True):
                known = checked(packed)
                expected[known.tenant_id, known.metric] += int(value)
        partition.feed([], [])
        await partition.save()

    async with connections.connection(pool) as conn:
        rows = await conn.fetch(
            "SELECT tenant_id, metric, sum(sum)::bigint AS sum, bool_or(labels ? 'overflow') AS overflows "
            "FROM rollup_10s JOIN series USING (series_id) WHERE tenant_id = ANY($1) GROUP BY 1, 2",
            tenants,
        )
        kept = await collisions.kept(conn)
    assert expected == {(row["tenant_id"], row["metric"]): row["sum"] for row in rows}
    assert any(row["overflows"] for row in rows)
    assert 10 < len([packed for packed in kept if tenant_of(packed) in tenants])
