"""The cache between the tables and the feed, wired.

Times are milliseconds UTC. Nothing is connected yet.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from opentelemetry.metrics import Meter

from services.gateway.query.cache.answers import Answers
from services.gateway.query.cache.blocks import CachedBlocks
from services.gateway.query.cache.cache import Cache
from services.gateway.query.cache.entry import Known
from services.gateway.query.cache.memory import Memory
from services.gateway.query.cache.redis.breaker import Breaker
from services.gateway.query.cache.redis.entries import RedisShared
from services.gateway.query.cache.redis.salts import RedisSalts
from services.gateway.query.cache.redis.shapes import RedisShapes
from services.gateway.query.cache.shapes import AskedShapes
from services.gateway.query.cache.statistics import observe
from services.gateway.query.cache.warming import Warming
from services.gateway.query.feed.feed import Feed
from services.gateway.query.questions.ports import Blocks
from shared.model.bound import Bound
from shared.runtime.clock import monotonic_s, now_ms
from shared.runtime.redis import Client


class FeedChanges:
    """Changes as the feed has read them."""

    def __init__(self, feed: Feed) -> None:
        self._feed = feed

    def known(self) -> Known:
        """How far it has read."""
        feed = self._feed
        return Known(feed.is_current(), feed.log_ms(), feed.ended(), feed.watermark_ms())

    def covers(self, log_ms: int) -> bool:
        """Whether all is known that was committed after the log stood at this time."""
        return self._feed.covers(log_ms)

    def touched(self, tenant_id: int, metric: str, tier_ms: int, start_ms: int) -> Mapping[int, int]:
        """By partition, the highest offset at which rows of the block with this window have changed."""
        return self._feed.touched(tenant_id, metric, tier_ms, start_ms)


@dataclass(frozen=True, slots=True)
class CacheParts:
    """What others need of the cache."""

    cache: Cache
    memory: Memory
    salts: RedisSalts
    changes: FeedChanges
    failures: Callable[[], int]
    """Questions that Redis did not answer."""
    blocks: CachedBlocks
    """What questions ask."""
    answers: Answers
    warming: Warming

    def bounds(self) -> tuple[Bound, ...]:
        """What it may hold."""
        return self.memory.bound(), self.answers.bound(), self.cache.statistics.bound

    def show(self, meter: Meter) -> None:
        """Give it its instruments."""
        observe(meter, self.cache.statistics, self.failures)


def cached(tables: Blocks, feed: Feed, client: Client, limit_bytes: int, prefix: str = "") -> CacheParts:
    """A cache of so many bytes in this process, and what fits into Redis for all."""
    clock = monotonic_s
    breaker, memory, asked = Breaker(clock), Memory(limit_bytes, clock), AskedShapes(clock)
    changes = FeedChanges(feed)
    salts = RedisSalts(client, breaker, clock, now_ms, prefix)
    cache = Cache(tables, changes, RedisShared(client, breaker, prefix), salts, memory, clock)
    shapes = RedisShapes(client, breaker, prefix)
    return CacheParts(
        cache,
        memory,
        salts,
        changes,
        lambda: breaker.failures,
        CachedBlocks(cache, asked),
        Answers(cache.statistics),
        Warming(cache, asked, shapes, changes, clock, now_ms),
    )
