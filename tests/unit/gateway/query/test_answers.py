"""Answers that are known: what they are made of decides, and nothing else."""

import asyncio
from collections.abc import Mapping
from typing import Any

import msgspec
import numpy as np
import pytest

from services.gateway.query.cache.answers import Answers, size_of
from services.gateway.query.cache.blocks import CachedBlocks
from services.gateway.query.cache.shapes import AskedShapes
from services.gateway.query.cache.statistics import ANSWERS, Statistics
from services.gateway.query.questions.answering import Answering, key_of
from services.gateway.query.questions.grouped import Part, grouped
from services.gateway.query.questions.ports import (
    Answer,
    LivePart,
    LiveParts,
    Loaded,
    Metric,
    MetricKind,
    Standing,
    reading,
)
from services.gateway.query.questions.question import AskBody, Question, QuestionBody, question
from services.gateway.query.questions.selection import Selection
from services.gateway.query.questions.source import WindowSource
from shared.errors import Unavailable
from shared.model.series import Series
from tests.support.cached import CLOSED_MS, NOW_MS, Setting
from tests.support.rows import rows_of

MINUTE_MS = 60_000
MARK_MS = NOW_MS - NOW_MS % 10_000 - 2 * MINUTE_MS
"""Where the partition that is furthest behind stands."""


class Rows:
    """Tables in which a load finds as many points as were committed, and live windows beside them."""

    def __init__(self) -> None:
        self.points = 1
        self.loads = 0
        self.next_offset = 100
        self.marks_ms = [MARK_MS, MARK_MS]
        self.parts: list[LivePart] | None = LiveParts([])

    async def standing(self) -> dict[int, Standing]:
        """Where the partitions stand."""
        return {at: Standing(self.next_offset, mark_ms) for at, mark_ms in enumerate(self.marks_ms)}

    async def load(self, selection: Selection, tier_ms: int, from_ms: int, to_ms: int) -> Loaded:
        """A row at the beginning of the range."""
        self.loads += 1
        owner = Series(selection.tenant_id, selection.metric, "delta", "", ())
        rows = rows_of([(0, from_ms, [1.0] * self.points)])
        return Loaded(grouped(selection, [Part([owner], rows)], tier_ms), await self.standing())

    async def live(self, tenant_id: int, metric: str, from_ms: int, to_ms: int) -> list[LivePart]:
        """Those that there are; None: unavailable."""
        if self.parts is None:
            raise Unavailable("feed", "lags")
        return self.parts

    async def metrics(self, tenant_id: int) -> list[Metric]:
        """One metric."""
        return [Metric("cpu", (MetricKind("delta", "", 1),))]

    async def labels(self, tenant_id: int, metric: str) -> Mapping[str, int]:
        """One label."""
        return {"host": 1}


class Asking:
    """A process that answers from its cache, with what stands around it in memory."""

    def __init__(self) -> None:
        self.rows, self.setting = Rows(), Setting()
        self.setting.cache._tables = self.rows
        self.statistics = Statistics()
        self.answers = Answers(self.statistics)
        blocks = CachedBlocks(self.setting.cache, AskedShapes(self.setting.clock))
        source = WindowSource(blocks, self.rows, self.rows, lambda: NOW_MS)
        self.answering = Answering(source, self.rows, known=self.answers)
        self.made = 0

    async def ask(self, tenant_id: int = 1, **fields: Any) -> Answer:
        """The answer to a question about some minutes."""
        return await self.answering.answer(asked(tenant_id, **fields))

    async def count(self, tenant_id: int = 1, **fields: Any) -> float:
        """Points in it."""
        return float(np.nansum((await self.ask(tenant_id, **fields))["series"][0]["values"]["count"]))

    def figures(self, tenant_id: int = 1) -> tuple[int, ...]:
        """Hits, misses, and answers that were not valid."""
        counts = self.statistics.of(tenant_id).counts
        return tuple(counts["l1", ANSWERS, outcome] for outcome in ("hits", "misses", "invalid"))


def asked(tenant_id: int = 1, **fields: Any) -> Question:
    """A question about minutes that have closed, unless it says another range."""
    span = {"from": CLOSED_MS, "to": CLOSED_MS + 2 * MINUTE_MS, "resolution": "1m"}
    body = msgspec.convert({"metric": "cpu"} | span | fields, QuestionBody)
    return question(body, AskBody([]), tenant_id, NOW_MS)


def live_part(partition: int, start_ms: int, points: int) -> LivePart:
    """An open window of a partition."""
    owner = Series(1, "cpu", "delta", "", ())
    return LivePart(partition, Part([owner], rows_of([(0, start_ms, [1.0] * points)])))


async def test_an_answer_is_known_until_a_block_of_it_is_touched() -> None:
    """A revision is visible at once, and what was made of the block before is never given again."""
    one = Asking()
    first = [await one.count(), await one.count()]
    one.rows.points, one.rows.next_offset, one.setting.log.changed = 5, 101, {0: 101}
    one.setting.knows(ended={0: 101, 1: 100})
    after = [await one.count(), await one.count()]

    assert ([1, 1], [5, 5]) == (first, after)
    assert (2, 1, 1) == one.figures()
    assert 2 == one.rows.loads


async def test_a_known_answer_says_what_it_is_called_now_and_that_no_table_was_read() -> None:
    """The name of a question is no part of it."""
    one = Asking()
    first = await one.ask(id="a")
    with reading() as read:
        again = await one.ask(id="b")

    assert ("a", "b") == (first["id"], again["id"])
    assert first["series"] is again["series"]
    assert 0 == read.loads


async def test_tenants_share_nothing() -> None:
    """The same question of another one is another question, and its figures are its own."""
    one = Asking()
    await one.count()

    assert 1 == await one.count(tenant_id=2)
    assert [(0, 1, 0), (0, 1, 0)] == [one.figures(), one.figures(2)]
    assert one.answers.bytes_of(1) == one.answers.bytes_of(2) > 0
    assert 2 == one.rows.loads


async def test_what_was_cleared_is_made_anew() -> None:
    """By blocks that are read anew."""
    one = Asking()
    await one.count()
    await one.setting.salts.clear(1, None)
    one.rows.points = 7

    assert (7, (0, 1, 1)) == (await one.count(), one.figures())


async def test_a_window_that_has_closed_since_is_complete_in_the_answer() -> None:
    """Though no row of it has changed."""
    one = Asking()
    span = {"from": MARK_MS - MINUTE_MS, "to": MARK_MS + MINUTE_MS, "resolution": "10s"}
    before = await one.ask(**span)
    one.rows.marks_ms = [MARK_MS + 10_000, MARK_MS + 10_000]
    after = await one.ask(**span)

    assert (6, 7) == (sum(before["complete"]), sum(after["complete"]))
    assert (MARK_MS, MARK_MS + 10_000) == (before["complete_until_ms"], after["complete_until_ms"])


async def test_an_answer_holds_the_live_windows_that_there_are_now() -> None:
    """Equal ones by their number; those that are not the log's are looked at each time."""
    one = Asking()
    span = {"from": MARK_MS, "to": MARK_MS + MINUTE_MS, "resolution": "10s"}
    one.rows.parts = LiveParts([live_part(0, MARK_MS, 2)], (1,))
    known = [await one.count(**span), await one.count(**span)]
    one.rows.parts = LiveParts([live_part(0, MARK_MS, 3)], (2,))
    changed = await one.count(**span)
    one.rows.parts = [live_part(0, MARK_MS, 4)]
    others = [await one.count(**span), await one.count(**span)]
    one.rows.parts = None
    unavailable = await one.ask(**span)

    assert ([2, 2], 3, [4, 4]) == (known, changed, others)
    assert np.isnan(unavailable["series"][0]["values"]["count"]).all()
    assert (1, 1, 1) == one.figures()


async def test_windows_that_have_closed_in_some_partitions_are_known_as_well() -> None:
    """Beside live windows of the log; others may lack what the rows that are known lack too."""
    one = Asking()
    one.rows.marks_ms = [MARK_MS + 20_000, MARK_MS]
    span = {"from": MARK_MS, "to": MARK_MS + MINUTE_MS, "resolution": "10s"}
    one.rows.parts = LiveParts([live_part(0, MARK_MS, 9), live_part(1, MARK_MS, 3)], (1,))
    known = [await one.count(**span), await one.count(**span)]
    loads = one.rows.loads
    one.setting.knows(current=False)
    await one.count(**span)
    not_current = one.rows.loads
    one.setting.knows(current=True)
    one.rows.parts = [live_part(1, MARK_MS, 3)]
    await one.count(**span)
    await one.count(**span)

    assert ([4, 4], 1, 2, 4) == (known, loads, not_current, one.rows.loads)


async def test_one_making_serves_all_who_wait_for_the_same() -> None:
    """Also when the one who began it is gone; a failure is told to all and kept by nobody."""
    answers, going, made = Answers(Statistics()), asyncio.Event(), 0

    async def make() -> Answer:
        nonlocal made
        made += 1
        await going.wait()
        if made == 1:
            raise Unavailable("postgres", "away")
        return {"number": made}

    first, *others = [asyncio.create_task(answers.answer(1, b"k", (1,), make)) for _ in range(3)]
    other_state = asyncio.create_task(answers.answer(1, b"k", (2,), make))
    await asyncio.sleep(0)
    first.cancel()
    going.set()
    failed = await asyncio.gather(*others, return_exceptions=True)

    assert [Unavailable, Unavailable] == [type(each) for each in failed]
    assert ({"number": 2}, {"number": 3}) == (
        await other_state, await answers.answer(1, b"k", (1,), make),
    )  # fmt: skip


async def test_answers_are_bounded_in_bytes() -> None:
    """The one used longest ago makes room; one that is too large is not kept."""
    answers = Answers(Statistics(), 10_000)

    async def small() -> Answer:
        return {"start_ms": np.zeros(100)}

    async def large() -> Answer:
        return {"start_ms": np.zeros(1_000)}

    for number in range(30):
        await answers.answer(1, bytes([number]), (1,), small)
    bound = answers.bound()
    used, evicted = bound.used(), bound.evicted()
    await answers.answer(1, bytes([29]), (2,), large)

    assert 8_000 < used <= 10_000
    assert evicted == 30 - used // size_of(await small())
    assert bytes([29]) not in answers


@pytest.mark.parametrize(
    "fields",
    [
        {"aggregates": ["sum"]}, {"aggregates": ["count", "sum"]}, {"by": ["host"]}, {"where": ["host=a"]},
        {"kind": "delta"}, {"unit": ""}, {"from": CLOSED_MS - MINUTE_MS}, {"to": CLOSED_MS + MINUTE_MS},
        {"resolution": "30s"}, {"resolution": "2m"}, {"tz": "Europe/Berlin"}, {"top": {"n": 1}},
        {"top": {"n": 1, "of": "sum"}}, {"compare": "1h"}, {"live": False}, {"min_samples": 1}, {"metric": "memory"},
    ],
    ids=str,
)  # fmt: skip
def test_questions_that_differ_in_anything_have_other_keys(fields: dict[str, Any]) -> None:
    """Nobody gets the answer of another question."""
    assert key_of(asked()) != key_of(asked(**fields))
    assert key_of(asked()) == key_of(asked(id="x"))
    assert key_of(asked()) != key_of(asked(2))
