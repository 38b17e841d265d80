"""Live streams: one evaluation for all who ask the same, one slot for each, and who finds no room."""

import asyncio
from collections.abc import Collection
from typing import Any

import numpy as np
import orjson
import pytest

from services.gateway.http.problems import Problem
from services.gateway.query.page.live.alerts import BACK_US, AlertFeed
from services.gateway.query.page.live.channel import Channel
from services.gateway.query.page.live.freshness import BEHIND_MS, STALLED_MS, Freshness
from services.gateway.query.page.live.http import MAX_CELLS, bounded
from services.gateway.query.page.live.hub import MAX_OF_KEY, MAX_SUBSCRIBERS, Asked, Hub
from services.gateway.query.page.live.subscriber import Bye, Frame, Subscriber
from services.gateway.query.page.live.transitions import OVERLAP_US, Numbered
from services.gateway.query.page.live.views import VIEWS, body_of
from services.gateway.query.questions.http import asked_of


class FakeAnswers:
    """Answers with counts of two windows, and counts how often it is asked."""

    def __init__(self) -> None:
        self.counts = [1.0, 2.0]
        self.asked = 0

    async def __call__(self, _now: int) -> dict[str, Any]:
        """The body of an answer."""
        self.asked += 1
        start_ms = np.array([0, 10_000])
        whole = {"id": "a", "start_ms": start_ms, "end_ms": start_ms + 10_000, "hours": np.ones(2)}
        series = {"labels": {}, "samples": [1, 1], "revision": np.zeros(2), "late": np.zeros(2)}
        series["values"] = {"count": np.array(self.counts)}
        results = [whole | {"complete": [True, False], "series": [series]}]
        return {"status": "ok", "cached": True, "live": "available", "results": results}


class FakeTransitions:
    """Transitions that somebody has recorded."""

    def __init__(self) -> None:
        self.recorded: list[Numbered] = []

    async def since(self, tenants: Collection[int], number: int) -> list[Numbered]:
        """Those after a number."""
        return [one for one in self.recorded if one.tenant_id in tenants and one.number > number]


def channel(answers: FakeAnswers) -> Channel:
    """A channel over them."""
    return Channel(answers, Freshness(), asyncio.Semaphore(2), lambda: 0)


def said(frame: Frame | None) -> tuple[str, list[float]] | None:
    """The event, and the counts in it."""
    if frame is None:
        return None
    body = orjson.loads(frame.data + b"}")
    return frame.event, body["answer"]["results"][0]["series"][0]["values"]["count"]


async def test_all_who_ask_the_same_share_one_evaluation_and_one_frame() -> None:
    """First everything, then what has changed; nothing when nothing has."""
    answers = FakeAnswers()
    one, others = channel(answers), [Subscriber(b"k") for _ in range(50)]
    for each in others:
        one.join(each)
    first = await one.publish()
    snapshots = [each.take() for each in others]
    idle = await one.publish()
    one.wake()
    unchanged = await one.publish()
    answers.counts[1] = 3.0
    one.wake()
    changed = await one.publish()
    frames = [each.take() for each in others]

    assert (True, False, False, True) == (first, idle, unchanged, changed)
    assert 3 == answers.asked
    assert {("snapshot", (1.0, 2.0))} == {(event, tuple(counts)) for event, counts in map(said, snapshots)}  # type: ignore[misc]
    assert ("frame", [3.0]) == said(frames[0])
    assert 1 == len({id(frame) for frame in frames})


async def test_who_takes_nothing_holds_one_frame_and_gets_everything_next() -> None:
    """A newer frame replaces one that was not taken."""
    answers = FakeAnswers()
    one, quick, frozen = channel(answers), Subscriber(b"k"), Subscriber(b"k")
    one.join(quick)
    one.join(frozen)
    for count in (3.0, 4.0, 5.0):
        await one.publish()
        quick.take()
        answers.counts[1] = count
        one.wake()
    await one.publish()

    assert ("frame", [5.0]) == said(quick.take())
    assert ("snapshot", [1.0, 5.0]) == said(frozen.take())
    assert (3, None) == (one.dropped, frozen.take())


async def test_who_comes_later_is_told_everything_at_once() -> None:
    """Without another evaluation."""
    answers = FakeAnswers()
    one, late = channel(answers), Subscriber(b"k")
    await one.publish()
    one.join(late)

    assert (("snapshot", [1.0, 2.0]), 1) == (said(late.take()), answers.asked)


@pytest.mark.parametrize(("of_key", "code"), [(MAX_OF_KEY, "too_many_streams")])
async def test_a_key_has_so_many_streams(of_key: int, code: str) -> None:
    """And a process so many of all keys; one that ends makes room."""
    hub, answers = Hub(AlertFeed(FakeTransitions()), lambda: 0), FakeAnswers()
    asked = Asked(1, b"q", answers)
    mine = [Subscriber(b"k") for _ in range(of_key)]
    for each in mine:
        hub.join(asked, each)
    await mine[0].woken.wait()
    with pytest.raises(Problem) as refusal:
        hub.join(asked, Subscriber(b"k"))
    hub.leave(asked, mine.pop())
    hub.join(asked, again := Subscriber(b"k"))
    others = [Subscriber(b"%d" % place) for place in range(MAX_SUBSCRIBERS - of_key)]
    for each in others:
        hub.join(asked, each)
    with pytest.raises(Problem) as full:
        hub.join(asked, Subscriber(b"new"))
    (bound,) = hub.bounds()

    assert [(429, code)] * 2 == [(one.value.status, one.value.code) for one in (refusal, full)]
    assert (MAX_SUBSCRIBERS, 2) == (bound.used(), bound.evicted())
    for each in [*mine, again, *others]:
        hub.leave(asked, each)
    assert 0 == bound.used()


async def test_all_are_told_when_the_process_ends() -> None:
    """When to come back, each at another time; nobody is let in any more, and who takes nothing is cut off."""
    hub, answers, cut_off = Hub(AlertFeed(FakeTransitions()), lambda: 0), FakeAnswers(), []
    asked = Asked(1, b"q", answers)
    mine = [Subscriber(b"k", abort=lambda: cut_off.append(1)) for _ in range(2)]
    for each in mine:
        hub.join(asked, each)
    await mine[0].woken.wait()
    hub.stop()

    assert all(each.bye is not None and 0 < each.bye.after_ms <= 5_000 for each in mine)
    assert {"restart"} == {each.bye.reason for each in mine if each.bye}
    with pytest.raises(Problem) as refusal:
        hub.join(asked, Subscriber(b"k"))
    assert 503 == refusal.value.status
    for each in mine:
        hub.leave(asked, each)
    assert {"restart": 2} == hub.closed


def test_the_first_reason_to_end_counts() -> None:
    """A client that leaves when it was told so has not left by itself."""
    one = Subscriber(b"k")
    one.end(Bye("revoked"))
    one.end(Bye("left"))

    assert Bye("revoked") == one.bye


async def test_a_transition_is_told_once_though_looks_overlap() -> None:
    """Also one that was recorded before others and committed after them."""
    recorded, now_us = FakeTransitions(), 10 * BACK_US
    alerts = AlertFeed(recorded)

    def record(number: int, tenant_id: int = 1) -> None:
        recorded.recorded.append(Numbered(number, tenant_id, f"k{number}", b"{}"))

    record(now_us - 5)
    await alerts.follow(1, now_us)
    first = await alerts.check({1})
    record(now_us + 9)
    record(now_us + 8, 2)
    await alerts.follow(2, now_us)
    second = await alerts.check({1, 2})
    record(now_us + 9 - OVERLAP_US + 1)
    record(now_us + 10, 2)
    third = await alerts.check({1, 2})

    assert (set(), {1}, {1, 2}) == (first, second, third)
    assert [now_us + 9, now_us + 9 - OVERLAP_US + 1] == [one.number for one in alerts.after(1, 0)]
    assert [now_us + 10] == [one.number for one in alerts.after(2, 0)]
    assert [] == alerts.after(1, alerts.position(1))
    missed = [one.number for one in await alerts.missed(1, now_us + 8)]
    assert [now_us - 5, now_us + 9, now_us + 9 - OVERLAP_US + 1] == missed


async def test_what_is_recorded_before_the_first_look_is_told() -> None:
    """However soon after a stream was opened; a second stream that opens meanwhile takes nothing from the first."""
    recorded, now_us = FakeTransitions(), 10 * BACK_US
    alerts = AlertFeed(recorded)
    await alerts.follow(1, now_us)
    recorded.recorded.append(Numbered(now_us + 1, 1, "new", b"{}"))
    await alerts.follow(1, now_us + 2)
    told = await alerts.check({1})
    await alerts.check(set())
    left = alerts.after(1, 0)

    assert ({1}, []) == (told, left)


def test_what_is_live_is_as_fresh_as_the_slowest_watermark() -> None:
    """It is behind when it is long ago, and stalled when it does not move."""
    fresh = Freshness()
    unknown = fresh.status(0)
    fresh.note(100_000, 101_000)
    live, behind = fresh.status(101_000), fresh.status(100_000 + BEHIND_MS)
    fresh.note(100_000, 120_000)
    stalled = fresh.status(101_000 + STALLED_MS)
    fresh.note(100_001, 131_001)

    assert ("stalled", "live", "behind", "stalled") == (unknown, live, behind, stalled)
    assert ("behind", 31_000) == (fresh.status(131_001), fresh.behind_ms(131_001))


@pytest.mark.parametrize("view", VIEWS)
def test_the_questions_of_a_view_can_be_asked(view: str) -> None:
    """With the conditions of the page."""
    asked = asked_of(body_of(view, ["endpoint=/checkout"], ""))

    assert len(VIEWS[view]) == len(asked.questions)
    assert all(b"endpoint=/checkout" in bytes(each) for each in asked.questions)


@pytest.mark.parametrize(
    ("view", "where", "q", "code"),
    [
        ("", [], "", "invalid_view"),
        ("overview", [], "{}", "invalid_view"),
        ("nothing", [], "", "invalid_view"),
        ("overview", ["a=b"] * 21, "", "invalid_where"),
    ],
)
def test_what_is_no_view_is_refused(view: str, where: list[str], q: str, code: str) -> None:
    """By name."""
    with pytest.raises(Problem) as refusal:
        body_of(view, where, q)
    assert (400, code) == (refusal.value.status, refusal.value.code)


def test_what_a_channel_keeps_is_bounded() -> None:
    """A question beyond it is refused in its place, and the others are answered."""
    small = {"id": "a", "start_ms": [0] * 10, "series": [{}]}
    large = {"id": "b", "start_ms": [0] * 11_000, "series": [{}, {}]}
    refused = {"id": "c", "error": {"code": "unknown_metric"}}

    found = bounded([small, large, refused, small])

    assert [small, refused, small] == [found[0], *found[2:]]
    assert ("b", "too_expensive") == (found[1]["id"], found[1]["error"]["code"])
    assert MAX_CELLS < 22_000
