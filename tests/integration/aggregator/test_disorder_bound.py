"""The disorder bound of a topic: every worker folds by the same one, and it never changes once somebody has."""

from random import SystemRandom
from typing import Any, cast

import pytest

from deploy.local.stack import Stack
from deploy.postgres.topic_settings import set_disorder_bound
from services.aggregator.adapters.postgres import RollupTables
from services.aggregator.adapters.repeats import BatchIds
from services.aggregator.adapters.stream import Aggregation, PointFold
from shared.errors import Misconfigured
from shared.model.window import DISORDER_MS
from shared.postgres import connections
from shared.stream.ownership import Ownership
from shared.stream.processor import Key

pytestmark = pytest.mark.servers


@pytest.fixture
def key() -> Key:
    """A partition that no other test knows."""
    return Key(f"bounds-{SystemRandom().randrange(1 << 40)}", 0)


async def acquired(pool: connections.Pool, key: Key) -> PointFold:
    """The fold of a worker that has just acquired the partition."""
    aggregation = Aggregation(RollupTables(), BatchIds(), cast(Any, None))
    _, folds = await Ownership(pool, "worker").acquire([key], aggregation.restore)
    return cast(PointFold, folds[key])


async def test_a_topic_has_two_seconds_unless_it_was_given_another_bound(
    pool: connections.Pool, key: Key, stack: Stack
) -> None:
    """Which each worker finds when it acquires a partition."""
    other = key._replace(topic=f"other-{key.topic}")
    await set_disorder_bound(stack.postgres, key.topic, 5_000)

    assert (5_000, DISORDER_MS) == (
        (await acquired(pool, key)).state.disorder_ms,
        (await acquired(pool, other)).state.disorder_ms,
    )


async def test_the_bound_of_a_topic_that_was_read_is_fixed(
    pool: connections.Pool, key: Key, stack: Stack
) -> None:
    """To give it again is no change; before anybody reads it may change."""
    await set_disorder_bound(stack.postgres, key.topic, 9_000)
    await set_disorder_bound(stack.postgres, key.topic, 5_000)
    await acquired(pool, key)
    await set_disorder_bound(stack.postgres, key.topic, 5_000)

    with pytest.raises(Misconfigured, match="is read with a disorder bound of 5000 ms already"):
        await set_disorder_bound(stack.postgres, key.topic, 2_000)

    assert 5_000 == (await acquired(pool, key)).state.disorder_ms
