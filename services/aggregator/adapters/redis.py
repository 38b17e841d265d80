"""Shows live windows in Redis: a hash for each metric and window, with a field for each partition.

A value replaces another only if its offset is higher, so a process that was frozen cannot overwrite what its successor
shows. In version 4 there is one key for each partition and window, which holds the rows of all metrics.
"""

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from services.aggregator.domain.work import SeriesRollups, with_used_series
from services.aggregator.ports import LiveWindow
from shared.runtime.redis import Client, guard
from shared.wire import rollups
from shared.wire.series import head_of, unpack
from shared.wire.stored import live
from shared.wire.versions import OLD

_REPLACE_OLDER_KEY = """
local shown = redis.call('GETRANGE', KEYS[1], 0, 7)
if shown == '' or shown <= string.sub(ARGV[1], 1, 8) then
    redis.call('SET', KEYS[1], ARGV[1], 'EX', ARGV[2])
end
"""

_REPLACE_OLDER = """
local shown = redis.call('HGET', KEYS[1], ARGV[3])
if not shown or string.sub(shown, 1, 8) <= string.sub(ARGV[1], 1, 8) then
    redis.call('HSET', KEYS[1], ARGV[3], ARGV[1])
    redis.call('EXPIRE', KEYS[1], ARGV[2])
end
"""


class Shown(NamedTuple):
    """One value to be written."""

    key: str
    field: int | None
    """The partition; None: the key has no fields."""
    value: bytes


class LiveKeys:
    """Writes the keys that the gateway reads."""

    def __init__(self, client: Client, prefix: str = "", version: int = OLD) -> None:
        self._client = client
        self._prefix = prefix
        self._version = version
        self._replace_key = client.register_script(_REPLACE_OLDER_KEY)
        self._replace = client.register_script(_REPLACE_OLDER)

    async def show(self, windows: Sequence[LiveWindow]) -> None:
        """Replace what is shown of these windows. Raises `Unavailable`."""
        # Their series are the fold's own; what is made of them is nobody else's.
        named = [with_used_series(window.series, window.rollups) for window in windows]
        values = await asyncio.to_thread(_values, windows, named, self._prefix, self._version)
        with guard():
            async with self._client.pipeline(transaction=False) as pipe:
                for key, field, value in values:
                    if field is None:
                        await self._replace_key([key], [value, live.TTL_S], client=pipe)
                    else:
                        await self._replace([key], [value, live.TTL_S, field], client=pipe)
                await pipe.execute()


def _values(
    windows: Sequence[LiveWindow], named: Sequence[SeriesRollups], prefix: str, version: int
) -> list[Shown]:
    pairs = zip(windows, named, strict=True)
    return [each for window, rows in pairs for each in shown(window, rows, prefix, version)]


def shown(window: LiveWindow, named: SeriesRollups, prefix: str, version: int) -> Iterator[Shown]:
    """What is written of a window, whose rows these are."""
    if version == OLD:
        key = live.key_of_all(prefix, window.partition, window.start_ms)
        yield Shown(key, None, _value(window, named, version))
        return
    for one in _by_metric(named):
        owner = unpack(one.series[0])
        key = live.key(prefix, owner.tenant_id, owner.metric, window.start_ms)
        yield Shown(key, window.partition, _value(window, one, version))


def _by_metric(named: SeriesRollups) -> Iterator[SeriesRollups]:
    """The rows of each metric, with the series of that alone."""
    series, rows = named
    places: dict[bytes, int] = {}
    of_series = np.array([places.setdefault(head_of(packed), len(places)) for packed in series], np.int64)
    metric = of_series[rows.slot]
    order = np.argsort(metric, kind="stable")
    ends = np.searchsorted(metric[order], np.arange(len(places) + 1))
    for place in range(len(places)):
        part = rows.take(order[ends[place] : ends[place + 1]])
        used, slot = np.unique(part.slot, return_inverse=True)
        yield SeriesRollups([series[i] for i in used.tolist()], replace(part, slot=slot))


def _value(window: LiveWindow, named: SeriesRollups, version: int) -> bytes:
    windows = rollups.WindowBatch(window.partition, False, window.next_offset, window.watermark_ms, *named)
    return live.encode(windows, version)
