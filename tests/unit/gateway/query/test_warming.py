"""Warming: which shapes are asked most, and which of their blocks are loaded before anybody asks."""

import asyncio
from collections.abc import Sequence

from services.gateway.query.cache.blocks import CachedBlocks
from services.gateway.query.cache.shapes import HALF_S, MAX_BLOCKS, AskedShapes, Shape, packed, unpacked
from services.gateway.query.cache.warming import Warming
from services.gateway.query.questions.selection import Matcher, Selection
from tests.support.cached import ASKED, CLOSED_MS, NOW_MS, Clock, Setting
from tests.support.wait import until

OTHER = Selection(1, "memory", by=("host",))
WHERE = (Matcher("host", "in", ("a", "b"), negated=True), Matcher("zone", "=~", ("eu.*",)))


class KeptShapes:
    """Shapes of the process before."""

    def __init__(self, shapes: Sequence[bytes] = ()) -> None:
        self.shapes = list(shapes)

    async def save(self, shapes: Sequence[bytes]) -> None:
        """Keep them."""
        self.shapes = list(shapes)

    async def load(self) -> Sequence[bytes]:
        """Those that were saved."""
        return self.shapes


def warming(one: Setting, asked: AskedShapes, kept: KeptShapes) -> Warming:
    """What keeps a cache warm."""
    return Warming(one.cache, asked, kept, one.log, one.clock, lambda: NOW_MS)


def test_the_shapes_most_asked_come_first_and_old_ones_are_forgotten() -> None:
    """With how far back they were asked for, within bounds."""
    clock = Clock()
    asked = AskedShapes(clock)
    often, seldom = Shape(ASKED, 10_000), Shape(OTHER, 900_000)
    for _ in range(3):
        asked.note(often, 2)
    asked.note(seldom, 1_000)
    first = asked.most(2), asked.most(1)
    clock.s += HALF_S
    asked.note(seldom, 1)
    clock.s += HALF_S
    asked.note(seldom, 1)

    assert ([(often, 2), (seldom, MAX_BLOCKS)], [(often, 2)]) == first
    assert [(seldom, MAX_BLOCKS)] == asked.most(2)


def test_a_shape_is_what_it_was_after_it_was_saved() -> None:
    """Bytes of another build are passed over."""
    shape = Shape(Selection(7, "api.response_seconds", "delta", "s", WHERE, ("endpoint",)), 60_000)

    assert (shape, 3) == unpacked(packed(shape, 3))
    assert unpacked(b"\x91\x01") is None
    assert unpacked(b"noise") is None


async def test_when_a_block_has_closed_those_who_asked_find_it() -> None:
    """Of the shapes of its tier alone."""
    one = Setting()
    asked = AskedShapes(one.clock)
    asked.note(Shape(ASKED, 10_000), 1)
    asked.note(Shape(OTHER, 900_000), 1)
    keeping = warming(one, asked, KeptShapes())
    closed = keeping.closed()
    one.knows(watermark_ms=NOW_MS + 900_000)
    await keeping.look_after(keeping.closed() & {10_000})
    loads = one.tables.loads
    block_ms = NOW_MS - NOW_MS % 900_000
    await one.ask(block_ms)

    assert ({10_000, 60_000, 900_000}, set()) == (closed, keeping.closed())
    assert (1, 1, 1) == (loads, one.tables.loads, keeping.loaded)


async def test_after_the_start_what_was_asked_of_the_process_before_is_loaded() -> None:
    """As far back as it was asked for, once the log is known."""
    one = Setting()
    one.knows(current=False)
    kept = KeptShapes([packed(Shape(ASKED, 10_000), 3), b"of another build"])
    keeping = warming(one, AskedShapes(one.clock), kept)
    running = asyncio.create_task(keeping.run())
    await asyncio.sleep(0)
    before = one.tables.loads
    one.knows(current=True)

    async def are_loaded() -> bool:
        return keeping.loaded == 3

    await until(are_loaded, "three blocks are loaded")
    running.cancel()

    newest_ms = NOW_MS - 60_000
    newest_ms -= newest_ms % 900_000
    found = [await one.ask(newest_ms - back * 900_000) for back in (1, 2, 3)]
    assert (0, [1, 2, 3]) == (before, found)


async def test_what_cannot_be_loaded_is_left() -> None:
    """The next shape is looked after."""
    one = Setting()
    asked = AskedShapes(one.clock)
    asked.note(Shape(ASKED, 10_000), 1)
    asked.note(Shape(OTHER, 10_000), 1)
    one.tables.away = True
    keeping = warming(one, asked, KeptShapes())
    await keeping.look_after(keeping.closed())

    assert (2, 0) == (one.tables.loads, keeping.loaded)


async def test_what_questions_ask_for_is_noted_and_what_is_warmed_is_not() -> None:
    """Else what is kept warm would stay so by itself."""
    one = Setting()
    asked = AskedShapes(one.clock)
    blocks = CachedBlocks(one.cache, asked)
    for _ in range(2):
        await blocks.block(ASKED, 10_000, CLOSED_MS, NOW_MS, {0: 100})
    keeping = warming(one, asked, KeptShapes())
    await keeping.look_after(keeping.closed())

    assert 2 == one.tables.loads
    assert ([(Shape(ASKED, 10_000), 4)], 1) == (asked.most(5), keeping.loaded)
