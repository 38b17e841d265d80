"""`GET /v1/ledger` over real tables."""

from datetime import UTC, datetime
from typing import Any

import pytest

from shared.ledger.entries import LOST, NOBODY
from shared.runtime.clock import now_ms
from shared.wire.topics import EVENTS, METRICS
from tests.support.http.gateway import Gateway
from tests.support.http.reader import Reader

pytestmark = pytest.mark.servers

MINUTE_MS = 60_000
NOTHING = {
    "received": 0, "derived": 0, "counted": 0, "duplicate": 0, "conflict": 0, "stale_total": 0, "contested_total": 0,
    "lost": 0,
    "rejected": {}, "dead_lettered": {}, "difference": 0,
}  # fmt: skip

_ROW = "INSERT INTO ledger_1m (minute, tenant_id, topic, partition, outcome, count) VALUES ($1, $2, $3, $4, $5, $6)"
_STATE = """
INSERT INTO partition_state (topic, partition, epoch, owner, next_offset, watermark_ms, seen)
VALUES ($1, $2, 1, '', 0, $3, '')
ON CONFLICT (topic, partition) DO UPDATE SET watermark_ms = excluded.watermark_ms
"""


async def book(owner: Reader, topic: str, minute_ms: int, partition: int = 0, **counts: int) -> None:
    """Write outcomes as a consumer does; a double underscore stands for the colon."""
    minute = datetime.fromtimestamp(minute_ms / 1000, UTC)
    rows = [
        (minute, owner.tenant_id, topic, partition, name.replace("__", ":"), count)
        for name, count in counts.items()
    ]
    await owner.write(_ROW, *rows)


async def test_a_statement_shows_what_became_of_what_was_sent(
    mine: Reader, foreign: Reader, gateway: Gateway
) -> None:
    """Merged over partitions, by whole minutes, of the asked signal and no other tenant."""
    now = now_ms()
    first = now - now % MINUTE_MS - 5 * MINUTE_MS
    second = first + MINUTE_MS
    await book(mine, gateway.topic, first, received=10, counted=7, rejected__ts_too_old=1, duplicate=1)
    await book(mine, gateway.topic, first, 1, received=2, derived=3, dead_lettered__bad_batch=6)
    await book(mine, gateway.topic, second, received=4, counted=3)
    await book(mine, gateway.topic, second + MINUTE_MS, received=1, counted=1)
    await book(mine, gateway.topic.replace(METRICS.name, EVENTS.name), first, received=9, counted=9)
    await book(foreign, gateway.topic, first, received=99)

    span = {"from": first + 1, "to": second + 1}
    points = (await mine.ask("/v1/ledger", **span)).json()
    events = (await mine.ask("/v1/ledger", signal="events", **span)).json()

    assert points == {
        "signal": "points", "from_ms": first, "to_ms": second + MINUTE_MS,
        "complete_until_ms": points["complete_until_ms"],
        "minutes": [
            NOTHING | {
                "minute_ms": first, "received": 12, "derived": 3, "counted": 7, "duplicate": 1,
                "rejected": {"ts_too_old": 1}, "dead_lettered": {"bad_batch": 6},
            },
            NOTHING | {"minute_ms": second, "received": 4, "counted": 3, "difference": 1},
        ],
        "total": NOTHING | {
            "received": 16, "derived": 3, "counted": 10, "duplicate": 1, "rejected": {"ts_too_old": 1},
            "dead_lettered": {"bad_batch": 6}, "difference": 1,
        },
    }  # fmt: skip
    assert [9] == [minute["counted"] for minute in events["minutes"]]


async def test_a_statement_says_how_far_it_is_complete(mine: Reader, gateway: Gateway) -> None:
    """As far as the slowest partition; not known while one has not begun."""
    await mine.write(_STATE, (gateway.topic, 0, 2000), (gateway.topic, 1, 1000))
    known = (await mine.ask("/v1/ledger")).json()
    await mine.write(_STATE, (gateway.topic, 2, None))
    unknown = (await mine.ask("/v1/ledger")).json()
    await mine.write("DELETE FROM partition_state WHERE topic = $1", (gateway.topic,))

    assert (1000, None) == (known["complete_until_ms"], unknown["complete_until_ms"])


async def test_lost_messages_are_shown_to_every_tenant(
    mine: Reader, foreign: Reader, gateway: Gateway
) -> None:
    """Nobody knows whose points they held: no account closes that may have been concerned."""
    now = now_ms()
    minute = datetime.fromtimestamp((now - now % MINUTE_MS) / 1000, UTC)
    await book(mine, gateway.topic, now - now % MINUTE_MS, received=2, counted=2)
    await mine.write(_ROW, (minute, NOBODY, gateway.topic, 0, LOST, 3))
    totals = [(await reader.ask("/v1/ledger")).json()["total"] for reader in (mine, foreign)]
    await mine.write("DELETE FROM ledger_1m WHERE tenant_id = $1", (NOBODY,))

    assert [
        NOTHING | {"received": 2, "counted": 2, "lost": 3, "difference": -3},
        NOTHING | {"lost": 3, "difference": -3},
    ] == totals


async def test_the_default_is_the_last_hour_of_points(mine: Reader) -> None:
    """The present minute included; a tenant that sent nothing has a statement without minutes."""
    before = now_ms()
    body = (await mine.ask("/v1/ledger")).json()

    assert ("points", [], NOTHING) == (body["signal"], body["minutes"], body["total"])
    assert body["to_ms"] > before
    assert 60 * MINUTE_MS <= body["to_ms"] - body["from_ms"] <= 61 * MINUTE_MS


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        pytest.param({"signal": "logs"}, "invalid_signal", id="signal"),
        pytest.param({"from": 5, "to": 5}, "invalid_range", id="no range"),
        pytest.param({"from": 0, "to": 24 * 3_600_000 + 1}, "invalid_range", id="too long"),
        pytest.param({"from": "yesterday"}, "invalid_time", id="no time"),
    ],
)
async def test_a_wrong_question_is_named(mine: Reader, asked: dict[str, Any], code: str) -> None:
    """400 with the parameter."""
    answer = await mine.ask("/v1/ledger", **asked)

    assert (400, code) == (answer.status_code, answer.json()["code"])


async def test_a_key_that_may_not_read_is_refused(mine: Reader) -> None:
    """The scope is checked as everywhere."""
    assert [403, 401] == [(await mine.ask("/v1/ledger", key)).status_code for key in ("write", "unknown-key")]
