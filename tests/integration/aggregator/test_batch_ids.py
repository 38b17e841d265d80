"""The ids of batches in Postgres: a memory goes on where its checkpoint stood, and forgets by the log alone."""

from random import SystemRandom

import pytest

from services.aggregator.adapters.repeats import MAINTENANCE, BatchIds
from services.aggregator.domain.repeats import REMEMBERED_S, Fresh, Part, Repeats
from shared.postgres import connections, maintenance
from shared.stream.processor import Key

T0_S = 1_760_000_000
DAY_S = 24 * 3600


@pytest.fixture
def key() -> Key:
    """A partition that no other test knows."""
    return Key(f"batches-{SystemRandom().randrange(1 << 40)}", 3)


def part(name: int, body: int = (1 << 64) - 1, rows: int = 2) -> Part:
    """All rows of a message."""
    return name.to_bytes(8, "big") * 2, body, 0, rows


def known(memory: Repeats, after_s: int, name: int) -> bool:
    """Whether this batch would be a repeat so long after T0."""
    return memory.judge([part(name)], (T0_S + after_s) * 1000, 2) is not None


async def save(pool: connections.Pool, key: Key, next_offset: int, fresh: Fresh) -> None:
    """Commit these ids."""
    async with connections.connection(pool) as conn, conn.transaction():
        await BatchIds().save(conn, {key: (next_offset, fresh)})


async def restored(pool: connections.Pool, key: Key) -> Repeats:
    """The memory as the next owner finds it."""
    async with connections.connection(pool) as conn:
        return (await BatchIds().kept(conn, [key]))[key].repeats()


async def test_a_memory_survives_its_owner(pool: connections.Pool, key: Key) -> None:
    """With bodies of 64 bits and the second of each id, over commits and within one."""
    memory = Repeats()
    memory.judge([part(1)], T0_S * 1000, 2)
    await save(pool, key, 10, memory.take())
    memory.judge([part(2)], (T0_S + 3) * 1000, 2)
    memory.judge([part(3, body=0)], (T0_S + 5) * 1000, 2)
    await save(pool, key, 20, memory.take())

    after = await restored(pool, key)
    conflict = after.judge([part(3, body=1)], T0_S * 1000, 2)

    assert [True, True] == [known(after, REMEMBERED_S, 1), known(after, REMEMBERED_S + 3, 2)]
    assert [False, False] == [known(after, REMEMBERED_S + 4, name) for name in (1, 2)]
    assert conflict is not None
    assert conflict.conflict.all()


async def test_a_partition_without_batches_remembers_none(pool: connections.Pool, key: Key) -> None:
    """Nothing is stored for a commit that brought none."""
    await save(pool, key, 10, Repeats().take())

    assert not known(await restored(pool, key), 0, 1)
    async with connections.connection(pool) as conn:
        assert 0 == await conn.fetchval("SELECT count(*) FROM batch_id WHERE topic = $1", key.topic)


async def test_only_what_is_remembered_is_read_back(pool: connections.Pool, key: Key) -> None:
    """Older rows are kept for those who ask, and do not slow an acquire."""
    memory = Repeats()
    for at, name in ((0, 1), (REMEMBERED_S + 10, 2)):
        memory.judge([part(name)], (T0_S + at) * 1000, 2)
        await save(pool, key, at + 1, memory.take())

    after = await restored(pool, key)

    assert [True, False] == [known(after, 0, 2), known(after, 0, 1)]


@pytest.mark.parametrize(
    ("age_s", "kept"), [(DAY_S - 1, 2), (DAY_S, 2), (DAY_S + 1, 1)], ids=["below", "at", "above"]
)
async def test_rows_are_kept_for_a_day_of_the_log(
    pool: connections.Pool, key: Key, age_s: int, kept: int
) -> None:
    """However long ago that day was: a log that rests makes nothing older."""
    async with connections.connection(pool) as conn:
        await conn.execute(
            "INSERT INTO partition_state (topic, partition, epoch, owner, next_offset, seen) "
            "VALUES ($1, $2, 1, 'me', 0, '')",
            *key,
        )
    for at, after_s in enumerate((0, age_s)):
        await save(pool, key, at, Fresh([part(at)[0]], [1], [1], [T0_S + after_s]))

    await maintenance.keep(pool, MAINTENANCE)

    async with connections.connection(pool) as conn:
        assert kept == await conn.fetchval("SELECT count(*) FROM batch_id WHERE topic = $1", key.topic)
        await conn.execute("DELETE FROM partition_state WHERE topic = $1", key.topic)
