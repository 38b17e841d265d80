"""A store with transactions in memory, and the pump's checkpoints in it.

A row is any value under any key. The store undoes a transaction that is lost, idles too long or has lost its process;
one that waits for a lock too long fails. Invariant: the contract suite of `Ownership` holds here too, and others see
what a transaction has written at once and as a whole.
"""

import asyncio
from collections.abc import AsyncIterator, Collection, Hashable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any, cast

from shared.errors import Unavailable
from shared.postgres.connections import Connection
from shared.stream.containment.breaker import BreakerTrip
from shared.stream.containment.breaker_store import Decision
from shared.stream.ownership import F, Outcome, Restore, Write
from shared.stream.processor import Cut, Key, Stored
from tests.support.simulated.network import Network

IDLE_S = LOCK_S = 5.0
"""The limits of the real one: `postgres.SERVER_LIMITS`."""

Owned = tuple[Stored, str]
"""The row of a partition: checkpoint and owner."""


class Transaction:
    """What one connection has written and not committed."""

    def __init__(self, store: "MemoryStore") -> None:
        self.store = store
        self.open = True
        self.writes: dict[Hashable, Any] = {}
        self.idle: asyncio.TimerHandle | None = None

    def get(self, key: Hashable) -> Any:
        """The row as this transaction sees it; None: there is none."""
        return self.writes.get(key, self.store.rows.get(key))

    def put(self, key: Hashable, row: Any) -> None:
        """Write a row."""
        self.writes[key] = row

    def wake(self) -> None:
        """It does not idle any more."""
        if self.idle is not None:
            self.idle.cancel()

    async def statement(self) -> None:
        """Go to the store and back, once. Raises `Unavailable`, also when the transaction is no more."""
        await self.store.network.call(lambda: self.store.touch(self))

    async def fetch(self, places: Sequence[Hashable]) -> list[Any]:
        """The rows as they are when the store is asked: an answer that is read late is as old as that."""
        return cast(list[Any], await self.store.network.call(lambda: self.store.fetch(self, places)))

    async def lock(self, key: Key) -> None:
        """Wait for everybody else who has locked this. Raises `Unavailable`."""
        await self.store.network.call(lambda: self.store.lock(self, key))


class MemoryStore:
    """The server: rows, locks, and the transactions that are open."""

    def __init__(self, network: Network, unknown: float = 0.0) -> None:
        self.network = network
        self.unknown = unknown
        """Part of the commits of which nobody hears whether they took effect."""
        self.rows: dict[Hashable, Any] = {}
        self._locks: dict[Key, Transaction] = {}
        self._waiting: list[tuple[Transaction, Key, asyncio.Future[None]]] = []
        self._open: dict[Transaction, None] = {}

    def touch(self, one: Transaction) -> None:
        """A statement has come; many a one is too late."""
        if not one.open:
            raise Unavailable("store", "the transaction is no more")
        self._open[one] = None
        one.wake()
        one.idle = self.network.later(IDLE_S, self.undo, one)

    def fetch(self, one: Transaction, places: Sequence[Hashable]) -> list[Any]:
        """The rows as this transaction sees them now."""
        self.touch(one)
        return [one.get(place) for place in places]

    def lock(self, one: Transaction, key: Key) -> asyncio.Future[None] | None:
        """Give the lock now or, when another has it, in time."""
        self.touch(one)
        if self._locks.setdefault(key, one) is one:
            return None
        waiting = self.network.loop.create_future()
        self._waiting.append((one, key, waiting))
        self.network.later(LOCK_S, _time_out, waiting)
        return waiting

    def commit(self, one: Transaction) -> None:
        """Make it all true."""
        self.touch(one)
        self.rows |= one.writes
        self.undo(one)

    def undo(self, one: Transaction) -> None:
        """Forget what is not committed and give the locks to those who wait."""
        one.open = False
        self._open.pop(one, None)
        one.wake()
        self._locks = {key: holder for key, holder in self._locks.items() if holder is not one}
        waiting, self._waiting = self._waiting, []
        for other, key, answer in waiting:
            if not other.open or answer.done():
                continue
            if self._locks.setdefault(key, other) is other:
                answer.set_result(None)
            else:
                self._waiting.append((other, key, answer))

    def restart(self) -> None:
        """Undo whatever is open."""
        for one in list(self._open):
            self.undo(one)


def checkpoints(store: MemoryStore, topic: str) -> dict[Key, Stored]:
    """The checkpoints of a topic, by partition."""
    found = {key: row[0] for key, row in store.rows.items() if isinstance(key, Key) and key.topic == topic}
    return dict(sorted(found.items()))


def _raised(store: MemoryStore, key: Key, at: Stored) -> Stored:
    """The checkpoint of the next owner, with the logs that those of its topic were written for."""
    logs = dict.fromkeys(one.log for one in checkpoints(store, key.topic).values() if one.log is not None)
    return replace(at, epoch=at.epoch + 1, siblings=tuple(logs))


def _moved(at: Stored, cut: Cut[Any]) -> Stored:
    """The checkpoint behind a cut."""
    state = cut.checkpoint
    return replace(
        at,
        next_offset=cut.end,
        watermark_ms=state.watermark_ms,
        seen=state.seen,
        snapshot=state.snapshot,
        log=cut.log,
        last=cut.last,
    )


def _time_out(waiting: asyncio.Future[None]) -> None:
    if not waiting.done():
        waiting.set_exception(Unavailable("store", "lock timeout"))


class NoOperator:
    """Nobody looks at stopped partitions, unless a test resets them."""

    _store: MemoryStore
    _owner: str

    async def stopped(self, trips: Mapping[Key, BreakerTrip]) -> dict[Key, Decision]:
        """Nothing is recorded, and nobody resumes."""
        return {}

    async def released(self, fenced: Collection[Key], stopped: Collection[Key]) -> set[Key]:
        """Those that an operator has reset, and stopped ones of another owner."""
        keys = [*fenced, *stopped]
        rows = await self._store.network.call(lambda: list(map(self._store.rows.get, keys)))
        owners = {key: row[1] for key, row in zip(keys, rows, strict=True) if row}
        return {
            key for key, owner in owners.items() if not owner or (key in stopped and owner != self._owner)
        }

    async def latest_epochs(self, keys: Sequence[Key]) -> dict[Key, int]:
        """The epochs of those whose latest owner is this process."""
        rows = await self._store.network.call(lambda: list(map(self._store.rows.get, keys)))
        return {
            key: row[0].epoch for key, row in zip(keys, rows, strict=True) if row and row[1] == self._owner
        }


@dataclass
class MemoryCheckpoints(NoOperator):
    """Acquires partitions for one process and commits its cuts, as `Ownership` does."""

    _store: MemoryStore
    _owner: str
    _transactions: dict[Transaction, None] = field(default_factory=dict)

    async def acquire(self, keys: Sequence[Key], restore: Restore[F]) -> tuple[dict[Key, Stored], F]:
        """Take ownership and read the checkpoints; waits for a predecessor's open transaction."""
        async with transaction(self._store, self._transactions) as conn:
            stored = {}
            for key in keys:
                await conn.lock(key)
                stored[key] = _raised(self._store, key, _at(conn, key))
                conn.put(key, (stored[key], self._owner))
            return stored, await restore(cast(Connection, conn), stored)

    async def commit(self, cuts: Sequence[Cut[Any]], write: Write) -> Outcome:
        """One transaction for all cuts; those whose checkpoint has moved under us are left out and reported."""
        async with transaction(self._store, self._transactions) as conn:
            won = [cut for cut in sorted(cuts, key=lambda cut: cut.key) if await self._moved(conn, cut)]
            for key, dead in [(cut.key, dead) for cut in won for dead in cut.dead]:
                conn.put((key, dead.offset), dead)
            if won:
                await write(cast(Connection, conn), [cut for cut in cuts if cut in won])
            rest = [cut for cut in cuts if cut not in won]
            known = frozenset(cut.key for cut in rest if self.committed_before(conn, cut))
        return Outcome(frozenset(cut.key for cut in won) | known, frozenset(cut.key for cut in rest) - known)

    async def _moved(self, conn: Transaction, cut: Cut[Any]) -> bool:
        await conn.statement()
        if self.mine(_at(conn, cut.key), cut):
            await conn.lock(cut.key)
        if not self.mine(at := _at(conn, cut.key), cut):
            return False
        conn.put(cut.key, (_moved(at, cut), self._owner))
        return True

    def mine(self, at: Stored, cut: Cut[Any]) -> bool:
        """The fence: whether this cut may go on from there."""
        return (at.epoch, at.next_offset) == (cut.epoch, cut.start)

    def committed_before(self, conn: Transaction, cut: Cut[Any]) -> bool:
        """Whether an earlier transaction, whose answer was lost, has done it."""
        at = _at(conn, cut.key)
        return (at.epoch, at.next_offset) == (cut.epoch, cut.end)

    def hang_up(self) -> None:
        """The process has ended: what it has open is undone."""
        for one in self._transactions:
            self._store.undo(one)


@asynccontextmanager
async def transaction(
    store: MemoryStore, transactions: dict[Transaction, None] | None = None
) -> AsyncIterator[Transaction]:
    """One transaction; it stands among those that a process holds as long as it is open."""
    one = Transaction(store)
    transactions = {} if transactions is None else transactions
    transactions[one] = None
    try:
        await one.statement()
        yield one
        await store.network.call(lambda: store.commit(one), store.unknown)
    except (Exception, asyncio.CancelledError):
        store.network.later(store.network.way_s(), store.undo, one)
        raise
    finally:
        transactions.pop(one, None)


def _at(conn: Transaction, key: Key) -> Stored:
    row = cast(Owned | None, conn.get(key))
    return Stored(0, 0, None, b"", None) if row is None else row[0]
