"""Care for records that may end this process: marks before they are folded, and notes of errors before it ends.

Offsets are Kafka's. Without a table of deaths nothing is marked or noted. Invariant: an error of a fold, of a commit or
of a restore is noted under the partition that caused it, and always raised again.
"""

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from typing import Any, Protocol, TypeVar

import structlog

from shared.errors import Unavailable
from shared.postgres.connections import Connection
from shared.postgres.errors import blames_data
from shared.stream.containment.deaths import MARKED_TOGETHER, MAX_DEATHS, SILENT, Death, Suspects
from shared.stream.owned import OwnedPartition
from shared.stream.processor import Cut, Key, Record, Stored

Restore = Callable[[Connection, Mapping[Key, Stored]], Awaitable[Mapping[Key, Any]]]
"""Reads the folds that stand beside the checkpoints."""

Acquire = Callable[[Sequence[Key], Restore], Awaitable[tuple[Mapping[Key, Stored], Mapping[Key, Any]]]]
"""Takes ownership and reads the checkpoints and the folds, in one transaction."""

R = TypeVar("R")

_log = structlog.get_logger(__name__)


class Deaths(Protocol):
    """Keeps deaths; `DeathTable` keeps them in Postgres."""

    async def note(self, key: Key, death: Death) -> None:
        """Write a death, or a mark that becomes one if nobody clears it. Raises `Unavailable`."""

    async def clear(self, key: Key, span: tuple[int, int]) -> None:
        """The records from one offset up to another were folded, and the process lives. Raises `Unavailable`."""


def together(owned: OwnedPartition[Any], records: Sequence[Record]) -> Iterator[Sequence[Record]]:
    """The records in portions: alone who is suspected or refused, and some under one mark of all others."""
    portion: list[Record] = []
    for record in records:
        alone = owned.suspects.at(record.offset) is not None or owned.is_refused(record.offset)
        if portion and (alone or len(portion) == MARKED_TOGETHER):
            yield portion
            portion = []
        portion.append(record)
        if alone:
            yield portion
            portion = []
    if portion:
        yield portion


class Care:
    """Marks and notes of one process."""

    def __init__(self, deaths: Deaths | None) -> None:
        self._deaths = deaths
        self._noted: Exception | None = None

    async def take(
        self,
        owned: OwnedPartition[Any],
        portion: Sequence[Record],
        take: Callable[[], bool],
        commit: Callable[[], Awaitable[object]],
    ) -> bool:
        """Take a portion under one mark; who is suspected is committed alone. False: the runtime must rewind."""
        first, until = max(portion[0].offset, owned.next), portion[-1].offset + 1
        foldable = portion[0].offset <= owned.next < until and not owned.is_stopped()
        foldable = foldable and not owned.is_refused(first)
        suspect = foldable and owned.suspects.at(first) is not None
        try:
            await self.clear(owned)
            if suspect:
                await commit()
            if foldable and owned.suspects.needs_mark(first):
                await self.mark(owned, (first, until))
            taken = take()
            await self.clear(owned)
            if suspect:
                await commit()
        except Unavailable as problem:
            _log.warning("records that need care wait", **owned.key._asdict(), problem=str(problem))
            return False
        return taken

    async def mark(self, owned: OwnedPartition[Any], span: tuple[int, int]) -> None:
        """Say that the records of this span are folded now. Raises `Unavailable`."""
        if self._deaths is not None:
            before = owned.suspects.at(span[0])
            error = SILENT if before is None else before.error
            await self._deaths.note(owned.key, owned.suspects.next_death(*span, error))
            owned.mark = span

    async def clear(self, owned: OwnedPartition[Any]) -> None:
        """Take the mark back, if there is one. Raises `Unavailable`."""
        if self._deaths is not None and owned.mark is not None:
            await self._deaths.clear(owned.key, owned.mark)
            owned.mark = None

    async def folding_failed(self, owned: OwnedPartition[Any], problem: Exception) -> None:
        """Note what the next record of this partition did."""
        await self._note(owned.key, owned.suspects, (owned.next, owned.next + 1), problem)

    async def commit(
        self,
        commit: Callable[[Sequence[Cut[Any]]], Awaitable[R]],
        cuts: Sequence[Cut[Any]],
        suspects: Mapping[Key, Suspects],
    ) -> R:
        """Commit these cuts, all in one transaction. Raises `Unavailable`; any other error is noted first."""
        try:
            return await commit(cuts)
        except Unavailable:
            raise
        except Exception as problem:
            await self._commit_failed(cuts, suspects, problem, lambda cut: commit([cut]))
            raise

    async def _commit_failed(
        self,
        cuts: Sequence[Cut[Any]],
        suspects: Mapping[Key, Suspects],
        problem: Exception,
        commit: Callable[[Cut[Any]], Awaitable[object]],
    ) -> None:
        """Find out which cuts cannot be committed, by committing each alone. Raises `Unavailable`."""
        for cut in cuts:
            own = problem if len(cuts) == 1 else await _failure(commit(cut))
            if own is not None:
                await self._note(cut.key, suspects[cut.key], (cut.start, max(cut.end, cut.start + 1)), own)
        self._noted = problem

    async def acquire(
        self, acquire: Acquire, keys: Sequence[Key], restore: Restore
    ) -> tuple[Mapping[Key, Stored], Mapping[Key, Any]]:
        """Checkpoints and folds, but for partitions whose restoring has ended too many workers.

        Raises `Unavailable`; any other error is noted first.
        """
        found: dict[Key, Stored] = {}

        async def restored(conn: Connection, stored: Mapping[Key, Stored]) -> Mapping[Key, Any]:
            found.update(stored)
            return await restore(conn, {key: at for key, at in stored.items() if _restorable(at)})

        try:
            return await acquire(keys, restored)
        except Unavailable:
            raise
        except Exception as problem:
            await self._restoring_failed(found, problem, lambda key: acquire([key], restored))
            raise

    async def _restoring_failed(
        self,
        stored: Mapping[Key, Stored],
        problem: Exception,
        restore: Callable[[Key], Awaitable[object]],
    ) -> None:
        """Find out which partitions cannot be restored, by restoring each alone. Raises `Unavailable`."""
        for key, at in stored.items():
            own = problem if len(stored) == 1 else await _failure(restore(key))
            if own is not None:
                suspects = Suspects(at.next_offset, at.deaths)
                before = suspects.restoring.deaths if suspects.restoring else 0
                await self._write(key, Death(at.next_offset, at.next_offset, before + 1, repr(own)), own)
        self._noted = problem

    async def _note(self, key: Key, suspects: Suspects, span: tuple[int, int], problem: Exception) -> None:
        if problem is not self._noted:
            await self._write(key, suspects.next_death(*span, repr(problem)), problem)
            self._noted = problem

    async def _write(self, key: Key, death: Death, problem: Exception) -> None:
        if self._deaths is None or not blames_data(problem):
            return
        _log.critical("worker ends", **key._asdict(), **death._asdict(), exc_info=problem)
        try:
            await self._deaths.note(key, death)
        except Unavailable as absent:
            _log.warning("a death was not noted", **key._asdict(), problem=str(absent))


def _restorable(at: Stored) -> bool:
    before = Suspects(at.next_offset, at.deaths).restoring
    return before is None or before.deaths < MAX_DEATHS


async def _failure(attempt: Awaitable[object]) -> Exception | None:
    """How an attempt fails; None: it does not. Raises `Unavailable`."""
    try:
        await attempt
    except Unavailable:
        raise
    except Exception as problem:  # noqa: BLE001 # the process ends with the error that led here
        return problem
    return None
