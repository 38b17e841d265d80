"""Shows live windows in Redis, one key for each partition and window.

A value replaces another only if its offset is higher, so a process that was frozen cannot overwrite what its successor
shows.
"""

from collections.abc import Sequence

from services.aggregator.domain.work import with_used_series
from services.aggregator.ports import LiveWindow
from shared.runtime.redis import Client, guard
from shared.wire import rollups
from shared.wire.stored import live
from shared.wire.versions import OLD

_REPLACE_OLDER = """
local shown = redis.call('GETRANGE', KEYS[1], 0, 7)
if shown == '' or shown <= string.sub(ARGV[1], 1, 8) then
    redis.call('SET', KEYS[1], ARGV[1], 'EX', ARGV[2])
end
"""


class LiveKeys:
    """Writes the keys that the gateway reads."""

    def __init__(self, client: Client, prefix: str = "", version: int = OLD) -> None:
        self._client = client
        self._prefix = prefix
        self._version = version
        self._replace = client.register_script(_REPLACE_OLDER)

    async def show(self, windows: Sequence[LiveWindow]) -> None:
        """Replace what is shown of these windows. Raises `Unavailable`."""
        with guard():
            async with self._client.pipeline(transaction=False) as pipe:
                for window in windows:
                    await self._replace(
                        [self._key(window)], [_value(window, self._version), live.TTL_S], client=pipe
                    )
                await pipe.execute()

    def _key(self, window: LiveWindow) -> str:
        return live.key(self._prefix, window.partition, window.start_ms)


def _value(window: LiveWindow, version: int) -> bytes:
    series, rows = with_used_series(window.series, window.rollups)
    windows = rollups.WindowBatch(
        window.partition, False, window.next_offset, window.watermark_ms, series, rows
    )
    return live.encode(windows, version)
