"""What is remembered of the catalogue: nobody waits while it is known, one asks for all, nothing is too old."""

import asyncio

import pytest

from services.gateway.query.questions.ports import MAX_AGE_S
from services.gateway.query.resources.catalogue.remembered import Remembered
from shared.errors import Unavailable


class Tables:
    """Answers with how often they were asked; each answer waits until it is let go."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self.asked = 0
        self.open = asyncio.Event()
        self.open.set()
        self.away = False
        self.remembered: Remembered[str, int] = Remembered(lambda: self.now_s, 2)

    async def ask(self) -> int:
        """One statement."""
        self.asked += 1
        number = self.asked
        await self.open.wait()
        if self.away:
            raise Unavailable("postgres", "away")
        return number

    async def get(self, newer_than_s: float = MAX_AGE_S, key: str = "a") -> int:
        """What is given, and what was asked for beside has come."""
        found = await self.remembered.get(key, self.ask, newer_than_s)
        if self.open.is_set():
            for _ in range(3):
                await asyncio.sleep(0)
        return found


async def test_it_is_asked_for_anew_before_it_is_too_old() -> None:
    """From the half of its life on, beside: who asks has the old one, and the next one the new one."""
    tables, found = Tables(), []
    for tables.now_s in (0.0, 4.9, 5.1, 5.2, 10.1, 15.2, 25.3):
        found.append(await tables.get())

    assert [1, 1, 1, 2, 2, 3, 4] == found


async def test_one_asks_for_all() -> None:
    """As ten questions of a dashboard come at once."""
    tables = Tables()
    tables.open.clear()
    waiting = [asyncio.create_task(tables.get()) for _ in range(10)]
    await asyncio.sleep(0)
    waiting[0].cancel()
    await asyncio.sleep(0)
    tables.open.set()

    assert [1] * 9 == await asyncio.gather(*waiting[1:])
    assert 1 == tables.asked


async def test_nobody_waits_while_it_is_known() -> None:
    """However long the tables take; then it is too old, and what is under way is waited for."""
    tables = Tables()
    await tables.get()
    tables.open.clear()
    found = []
    for tables.now_s in (6.0, 7.0, 9.9):
        found.append(await tables.get())
    tables.now_s = 10.1
    late = asyncio.create_task(tables.get())
    await asyncio.sleep(0)
    tables.open.set()

    assert ([1, 1, 1], 2) == (found, await late)
    assert 2 == tables.asked


async def test_who_wants_it_newer_has_it_newer() -> None:
    """Neither what is known nor what was asked for too long ago will do; what comes late replaces nothing newer."""
    tables = Tables()
    tables.open.clear()
    first = asyncio.create_task(tables.get())
    await asyncio.sleep(0)
    tables.now_s = 3.0
    second = asyncio.create_task(tables.get(1.0))
    await asyncio.sleep(0)
    tables.open.set()

    assert [1, 2] == await asyncio.gather(first, second)
    assert 2 == await tables.get()


async def test_a_failure_is_told_to_who_waits_and_remembered_by_nobody() -> None:
    """Whoever has an answer that is not too old keeps it."""
    tables = Tables()
    tables.away = True
    with pytest.raises(Unavailable):
        await tables.get()
    tables.away = False
    await tables.get()
    tables.now_s, tables.away = 6.0, True
    during = await tables.get()
    tables.now_s = 11.0
    with pytest.raises(Unavailable):
        await tables.get()

    assert 2 == during


async def test_what_was_used_longest_ago_makes_room() -> None:
    """It is asked for again."""
    tables = Tables()
    found = [await tables.get(key=key) for key in "abcab"]

    assert [1, 2, 3, 4, 5] == found
