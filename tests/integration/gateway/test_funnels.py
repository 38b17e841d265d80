"""`GET /v1/funnels` over real tables."""

from datetime import UTC, datetime

import pytest

from shared.model.funnel import EFFECT_CREATION
from shared.runtime.clock import now_ms
from tests.support.http.reader import Reader

pytestmark = pytest.mark.servers

_ENTRY = """
INSERT INTO funnel_entry VALUES ($1, 'effect_creation', $2, $3, $4, cardinality($5::timestamptz[]), $5, $6, '{}', '{}')
"""

HOUR_MS = 3_600_000
NOON_MS = 1_700_000_000_000


def at(ms: int) -> datetime:
    """The instant as Postgres takes it."""
    return datetime.fromtimestamp(ms / 1000, UTC)


async def enter(
    owner: Reader, session: str, steps_ms: list[int], *, first_ms: int = 0, out_of_order: int = 0
) -> None:
    """Write how far a session came, as ingest does."""
    reached = [at(ms) for ms in steps_ms]
    entered = reached[0] if reached else None
    first = at(first_ms) if first_ms else entered
    await owner.write(_ENTRY, (owner.tenant_id, session, first, entered, reached, out_of_order))


async def test_a_funnel_tells_how_far_sessions_came(mine: Reader, foreign: Reader) -> None:
    """Of those that entered in the range, and of no other tenant."""
    begin, end = NOON_MS, NOON_MS + HOUR_MS
    await enter(mine, "at the start", [begin, begin + 1000, begin + 5000])
    await enter(mine, "at the end", [end - 1, end + 2000, end + 3000, end + 3001], out_of_order=2)
    await enter(mine, "only looked", [begin + 1])
    await enter(mine, "too early", [begin - 1, begin, begin + 1])
    await enter(mine, "too late", [end, end + 1])
    await enter(mine, "never entered", [], first_ms=begin, out_of_order=3)
    await enter(mine, "seen before, entered now", [begin + 5], first_ms=begin - 1, out_of_order=10)
    await enter(foreign, "at the start", [begin, begin + 1], out_of_order=100)

    body = (await mine.ask("/v1/funnels/Effect-Creation", **{"from": begin, "to": end})).json()
    steps = body.pop("steps")

    assert body == {
        "funnel": "effect_creation", "from_ms": begin, "to_ms": end, "entries": 4, "completed": 0,
        "completion_rate": 0.0, "out_of_order": 5, "largest_drop": "effect_viewing",
    }  # fmt: skip
    assert [4, 2, 2, 1, 0, 0, 0, 0, 0] == [step["sessions"] for step in steps]
    assert [None, 1500.5, 2500.0, 1.0, None] == [step["median_ms"] for step in steps[:5]]
    assert steps[1] == {
        "step": 1, "name": "effect_viewing", "sessions": 2, "rate": 0.5, "drop_off": 2, "drop_off_rate": 0.5,
        "median_ms": 1500.5,
    }  # fmt: skip
    assert list(EFFECT_CREATION.steps) == [step["name"] for step in steps]


async def test_a_funnel_that_nobody_entered_has_no_rates(mine: Reader) -> None:
    """Null, never 0 of 0; the default range is the last 24 hours."""
    body = (await mine.ask("/v1/funnels/effect_creation")).json()

    assert (0, 0, None, None) == tuple(
        body[name] for name in ("entries", "completed", "completion_rate", "largest_drop")
    )
    assert {(0, None, 0, None, None)} == {
        tuple(step[name] for name in ("sessions", "rate", "drop_off", "drop_off_rate", "median_ms"))
        for step in body["steps"]
    }
    assert 24 * HOUR_MS == body["to_ms"] - body["from_ms"]


async def test_the_default_range_reaches_to_now(mine: Reader) -> None:
    """A session that entered just now is in it, and so is its completion."""
    now = now_ms()
    await enter(mine, "all the way", [now - 9 + step for step in range(9)])

    body = (await mine.ask("/v1/funnels/effect_creation")).json()

    assert (1, 1, 1.0, None) == (
        body["entries"],
        body["completed"],
        body["completion_rate"],
        body["largest_drop"],
    )


async def test_an_unknown_funnel_is_told_which_there_are(mine: Reader) -> None:
    """404 with the names, and a route that lists them."""
    unknown = await mine.ask("/v1/funnels/checkout")
    known = await mine.ask("/v1/funnels")

    assert (404, "unknown_funnel", "funnel: must be one of effect_creation") == (
        unknown.status_code,
        unknown.json()["code"],
        unknown.json()["message"],
    )
    assert {"funnels": [{"funnel": "effect_creation", "steps": list(EFFECT_CREATION.steps)}]} == known.json()


@pytest.mark.parametrize(
    ("params", "code"),
    [
        ({"from": "100", "to": "100"}, "invalid_range"),
        ({"from": "0", "to": str(32 * 24 * HOUR_MS)}, "invalid_range"),
        ({"from": "yesterday"}, "invalid_time"),
        ({"to": "2025-10-09T08:53:20"}, "invalid_time"),
        ({"to": "9" * 15}, "invalid_time"),
    ],
)
async def test_a_wrong_range_is_named(mine: Reader, params: dict[str, str], code: str) -> None:
    """In the words of every other read route."""
    answer = await mine.ask("/v1/funnels/effect_creation", **params)

    assert (400, code) == (answer.status_code, answer.json()["code"])


@pytest.mark.parametrize("path", ["/v1/funnels", "/v1/funnels/effect_creation"])
@pytest.mark.parametrize(("key", "status"), [("write", 403), ("wrong", 401), ("admin", 200)])
async def test_only_who_may_read_reads_funnels(mine: Reader, path: str, key: str, status: int) -> None:
    """Read and admin keys may ask."""
    assert status == (await mine.ask(path, key)).status_code
