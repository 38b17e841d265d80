"""What the feed knows from the log: live windows, which blocks have changed, and how far its knowledge goes.

Times are milliseconds UTC; those of records are the broker's, `now_ms` is this process's. Pure. Invariant: what was not
read counts as read wrongly: until it can do no more harm, live windows are unavailable and nothing is covered.
"""

from collections.abc import Iterable, Mapping, Sequence

from services.gateway.query.feed.kept_rows import KeptRows
from services.gateway.query.feed.readings import Block, Message, Unreadable
from services.gateway.query.feed.touched import Touched
from services.gateway.query.feed.unpacking import Kept
from shared.errors import Unavailable
from shared.model.bound import Bound
from shared.model.window import BASE_MS, MAX_LEAD_MS

CURRENT_MS = 1_000
"""How long ago all partitions may have been read to their ends for changes to be known."""

LIVE_MS = 5_000
"""The same for live windows to be shown."""

COMMIT_MS = 120_000
"""Within this of its publication a row is committed, or never: Postgres ends a transaction that rests for 5 s."""

BLIND_MS = MAX_LEAD_MS + BASE_MS + COMMIT_MS
"""After so much log time no window is open, or closed and not committed, that a lost record was about."""

NEVER_MS = 1 << 62
"""Beyond all times."""

UNREAD = "the topic of windows has not been read to its end yet"

LIVE_BYTES = 256 << 20
"""What rows may take unless a setting says otherwise."""


class FeedState:
    """What was read of each partition."""

    def __init__(self, limit_bytes: int = LIVE_BYTES) -> None:
        self.touched = Touched()
        self.covered_since: dict[int, int] = {}
        """By partition: of what was appended since then, all was read."""
        self.unreadable = 0
        """Records that could not be read."""
        self.dropped_bytes = 0
        """Rows that had no room."""
        self._rows = KeptRows()
        self._limit_bytes = limit_bytes
        self._used_bytes = 0
        self._ended: dict[int, int] = {}
        self._level_ms: dict[int, int] = {}
        self._read_ms: dict[int, int] = {}
        self._blind_until: dict[int, int] = {}
        self._why = UNREAD

    def begin(self, partitions: Iterable[int], since_ms: int) -> None:
        """Everything that was appended to these partitions from a time on will be read."""
        self.covered_since = dict.fromkeys(partitions, since_ms)
        self.go_on()

    def go_on(self) -> None:
        """The reading goes on where it stood, after a pause."""
        self._level_ms = {}
        self._why = UNREAD

    def missed(self, partitions: Iterable[int]) -> None:
        """Records of these partitions were lost unread; nobody knows when the last of them was appended."""
        self.begin(partitions, NEVER_MS)
        self._blind_until = dict(self.covered_since)
        self._why = "records of the topic of windows were lost"

    def found_again(self, partition: int, appended_ms: int) -> None:
        """A record was read of a partition that was appended after all that it has lost."""
        if self.covered_since.get(partition) == NEVER_MS:
            self.covered_since[partition] = appended_ms
            self._blind_until[partition] = appended_ms + BLIND_MS

    def take(self, messages: Sequence[Message | Unreadable]) -> None:
        """Take what records say, in their order."""
        for one in messages:
            self._read_ms[one.partition] = max(one.appended_ms, self._read_ms.get(one.partition, 0))
            if isinstance(one, Unreadable):
                self.unreadable += 1
                self._why = f"a record of the topic of windows could not be read: {one.reason}"
                self._doubt(one.partition, one.appended_ms)
                continue
            self._note(one)
            self._rows.take(one)
        self._bound()

    def _doubt(self, partition: int, appended_ms: int) -> None:
        """Of what was appended up to this time nobody knows everything."""
        for known, until_ms in (
            (self.covered_since, appended_ms),
            (self._blind_until, appended_ms + BLIND_MS),
        ):
            known[partition] = max(until_ms, known.get(partition, 0))

    def _note(self, message: Message) -> None:
        partition = message.partition
        ended = self._ended.get(partition, -1)
        if message.tick:
            self._ended[partition] = max(message.next_offset, ended)
        # Rows behind a tick come again, or from an offset that an operator has put the partition back to.
        offset = message.next_offset if message.next_offset > ended else ended + 1
        for block in message.changes:
            self.touched.note(block, partition, offset)

    def _bound(self) -> None:
        self._used_bytes = self._rows.shrink(self._limit_bytes)
        if self._used_bytes > self._limit_bytes:
            self.dropped_bytes += self._used_bytes
            self._why = f"live windows take more than {self._limit_bytes} bytes (GATEWAY_FEED_BYTES)"
            self._rows.clear()
            self._used_bytes = 0
            for partition, read_ms in self._read_ms.items():
                self._blind_until[partition] = max(read_ms + BLIND_MS, self._blind_until.get(partition, 0))

    def level(self, partition: int, at_ms: int) -> None:
        """At this time of this process the partition was read to its end."""
        self._level_ms[partition] = at_ms

    def lag_ms(self, now_ms: int) -> int | None:
        """How long ago all partitions were read to their ends; None: never since the reading began."""
        if not self.covered_since or self._level_ms.keys() < self.covered_since.keys():
            return None
        return max(abs(now_ms - at_ms) for at_ms in self._level_ms.values())

    def why_not_live(self, now_ms: int) -> str | None:
        """Why live windows cannot be shown; None: they can."""
        lag_ms = self.lag_ms(now_ms)
        if lag_ms is None:
            return self._why
        if lag_ms > LIVE_MS:
            return f"the topic of windows was read {lag_ms} ms ago"
        for partition, until_ms in list(self._blind_until.items()):
            if self._read_ms.get(partition, 0) < until_ms:
                return self._why
            del self._blind_until[partition]
        return None

    def kept(
        self, from_ms: int, to_ms: int, now_ms: int, as_of: Mapping[int, int] | None = None
    ) -> list[Kept]:
        """Messages with windows that start in [from, to) and that the tables may not show. Raises `Unavailable`.

        `as_of`: where the partitions stood in the look at the tables; None: it is taken after this.
        """
        if (why := self.why_not_live(now_ms)) is not None:
            raise Unavailable("feed", why)
        if as_of is not None and not self._rows.has_all_since(as_of):
            raise Unavailable("feed", "the tables were read too long ago for what has closed since")
        return [*self._rows.closed(from_ms, to_ms, as_of), *self._rows.live(from_ms, to_ms)]

    def is_current(self, now_ms: int) -> bool:
        """Whether all changes are known that were published more than a second ago."""
        lag_ms = self.lag_ms(now_ms)
        return lag_ms is not None and lag_ms <= CURRENT_MS

    def log_ms(self) -> int:
        """The latest time at which a record was appended that was read; 0: none was."""
        return max(self._read_ms.values(), default=0)

    def covers(self, log_ms: int) -> bool:
        """Whether all is known that was committed after the log stood at this time."""
        return bool(self.covered_since) and log_ms >= max(self.covered_since.values()) + COMMIT_MS

    def changed(self, block: Block) -> Mapping[int, int]:
        """The highest offset, by partition, at which rows of the block have changed."""
        return self.touched.of(block)

    def ended(self) -> Mapping[int, int]:
        """By partition, the highest offset up to which all rows have been read."""
        return self._ended

    def watermark_ms(self) -> int:
        """Windows that end at or before this have been published as closed by all partitions that say anything."""
        return min(self._rows.watermark_ms.values(), default=0)

    def bounds(self) -> tuple[Bound, ...]:
        """What it may hold."""
        return (
            self.touched.bound(),
            Bound(
                "feed_rows", "bytes", self._limit_bytes, lambda: self._used_bytes, lambda: self.dropped_bytes
            ),
        )
