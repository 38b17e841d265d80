"""Live windows in Redis: what an aggregator shows, a query process reads, whichever version of them is written."""

from dataclasses import dataclass
from uuid import uuid4

import pytest

from services.aggregator.adapters.redis import LiveKeys
from services.aggregator.ports import LiveWindow
from services.gateway.query.resources.windows.redis import RedisLive
from shared.errors import Unavailable, UnknownVersion
from shared.model.series import Series
from shared.model.window import start_of
from shared.runtime import redis
from shared.runtime.clock import now_ms
from shared.wire.series import pack
from shared.wire.stored import live
from shared.wire.versions import NEW, OLD
from tests.support.rows import rows_of
from tests.support.windows import owner

pytestmark = pytest.mark.servers

PARTITIONS = 3


@dataclass
class Shown:
    """A Redis, who writes to it, and who reads; all windows of a test are the same ten seconds."""

    client: redis.Client
    prefix: str
    start: int

    def window(self, values: dict[Series, float], next_offset: int, partition: int = 0) -> LiveWindow:
        """An open window of a fold that knows other series too."""
        series = [pack(owner("unused")), *map(pack, values)]
        rows = rows_of([(slot, self.start, [value]) for slot, value in enumerate(values.values(), 1)])
        return LiveWindow(partition, self.start, next_offset, self.start, series, rows)

    async def show(self, version: int, *windows: LiveWindow) -> None:
        """Write as an aggregator does."""
        await LiveKeys(self.client, self.prefix, version).show(windows)

    async def sums(self, metric: str = "cpu", tenant_id: int = 1) -> dict[tuple[int, str], float]:
        """By partition and host, what the rows of a metric add up to."""
        reader = RedisLive(self.client, lambda: PARTITIONS, self.prefix)
        found: dict[tuple[int, str], float] = {}
        for one in await reader.live(tenant_id, metric, self.start - 60_000, self.start + 60_000):
            rows = one.part.rollups
            for slot, total in zip(rows.slot.tolist(), rows.sum.tolist(), strict=True):
                key = one.partition, dict(one.part.owners[slot].labels)["host"]
                found[key] = found.get(key, 0.0) + total
        return found


@pytest.fixture
def shown(redis_client: redis.Client) -> Shown:
    """Keys of this test's own."""
    return Shown(redis_client, f"{uuid4().hex}.", start_of(now_ms()))


@pytest.mark.parametrize("version", [OLD, NEW])
async def test_what_is_shown_of_a_metric_is_read_of_all_partitions(shown: Shown, version: int) -> None:
    """And nothing of another metric or tenant."""
    mine = {owner("a"): 1.0, owner("b"): 2.0, owner("a", "memory"): 4.0, owner("a", tenant_id=2): 8.0}
    await shown.show(version, shown.window(mine, 5), shown.window({owner("c"): 16.0}, 9, partition=2))

    assert {(0, "a"): 1.0, (0, "b"): 2.0, (2, "c"): 16.0} == await shown.sums()
    assert {(0, "a"): 4.0} == await shown.sums("memory")
    assert {(0, "a"): 8.0} == await shown.sums(tenant_id=2)
    assert {} == await shown.sums("disk")


@pytest.mark.parametrize("version", [OLD, NEW])
async def test_a_window_that_is_not_as_far_on_replaces_nothing(shown: Shown, version: int) -> None:
    """A process that was frozen cannot undo what its successor shows."""
    await shown.show(version, shown.window({owner("a"): 1.0}, 7))
    await shown.show(
        version, shown.window({owner("a"): 2.0}, 6), shown.window({owner("a"): 4.0}, 3, partition=1)
    )
    await shown.show(version, shown.window({owner("a"): 8.0}, 8))

    assert {(0, "a"): 8.0, (1, "a"): 4.0} == await shown.sums()


@pytest.mark.parametrize("versions", [(OLD, NEW), (NEW, OLD)], ids=["upgrade", "back"])
async def test_while_both_versions_are_written_the_one_that_is_further_on_is_read(
    shown: Shown, versions: tuple[int, int]
) -> None:
    """Never both: each point counts once."""
    first, second = versions
    await shown.show(first, shown.window({owner("a"): 1.0}, 5))
    await shown.show(second, shown.window({owner("a"): 3.0}, 6))

    assert {(0, "a"): 3.0} == await shown.sums()


async def test_only_the_keys_of_the_metric_are_read(shown: Shown) -> None:
    """What another metric holds is not even looked at."""
    await shown.show(NEW, shown.window({owner("a"): 1.0, owner("a", "memory"): 2.0}, 5))
    key = live.key(shown.prefix, 1, "memory", shown.start)
    await shown.client.hset(key, "0", bytes(8) + b"\x63later")

    assert {(0, "a"): 1.0} == await shown.sums()
    with pytest.raises(UnknownVersion, match="live window of version 99"):
        await shown.sums("memory")


async def test_a_value_that_is_none_is_not_guessed(shown: Shown) -> None:
    """Live windows are unavailable."""
    await shown.client.hset(live.key(shown.prefix, 1, "cpu", shown.start), "0", b"noise")

    with pytest.raises(Unavailable, match="cannot be read"):
        await shown.sums()


async def test_keys_expire_by_themselves(shown: Shown) -> None:
    """So that nothing has to be removed."""
    await shown.show(NEW, shown.window({owner("a"): 1.0}, 5))
    await shown.show(OLD, shown.window({owner("a"): 1.0}, 5))
    names = [name async for name in shown.client.scan_iter(match=f"{shown.prefix}live:*")]

    lives = [await shown.client.ttl(name) for name in names]

    assert 2 == len(lives)
    assert all(0 < life_s <= live.TTL_S for life_s in lives)
