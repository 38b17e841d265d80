"""What decodes can be stored: events of every kind, on a real Postgres."""

import json
from random import SystemRandom
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from deploy.local.run_sync import run_sync
from deploy.local.stack import Stack
from services.ingest.adapters.kafka import derived, partitions_of
from services.ingest.adapters.postgres import EventIds, EventTables
from services.ingest.adapters.stream import EventFold
from services.ingest.projections.registry import PROJECTIONS
from services.ingest.service import judge
from shared.errors import Rejected
from shared.postgres import connections
from shared.runtime.clock import now_ms
from shared.stream.processor import Key, Record
from shared.wire import envelope
from shared.wire.events import MAX_SCALE
from shared.wire.series import checked

pytestmark = pytest.mark.servers

NOW_MS = now_ms()

texts = st.text(max_size=12) | st.sampled_from(
    ["a\\u0000", "\x7f", "é\u202e", "' ; --", "\\N", "\ufffe", "\U0010ffff"]
)
numbers = st.integers() | st.floats() | st.integers(-(10**40), 10**40)
anything = st.recursive(
    st.none() | st.booleans() | numbers | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)
near = st.integers(NOW_MS - 5 * 86_400_000, NOW_MS + 60_000)
readable = st.text(st.characters(exclude_categories=["Cc", "Cs"]), min_size=1, max_size=12)
steps = st.fixed_dictionaries(
    {
        "event_id": readable, "type": st.just("funnel_step"), "ts_ms": near, "session_id": readable,
        "name": st.sampled_from(["effect_start", "Image Upload", " result-sharing"]),
        "properties": st.just({"funnel": "effect_creation"}),
    }
)  # fmt: skip
plausible = st.fixed_dictionaries(
    {"event_id": readable, "type": st.sampled_from(["click", "error", "a.b:c/d-e", "__x"]), "ts_ms": near},
    optional={
        "name": readable, "session_id": st.none() | readable, "user_id": readable,
        "properties": st.dictionaries(texts, anything, max_size=3),
    },
)  # fmt: skip
odd = st.fixed_dictionaries(
    {"event_id": texts, "type": texts, "ts_ms": st.integers() | near},
    optional={"name": texts, "session_id": texts, "user_id": texts, "properties": anything},
)
batches = st.lists(plausible | plausible | steps | odd, min_size=1, max_size=2)


@pytest.fixture(scope="module")
def run(stack: Stack) -> Any:
    """Runs a coroutine with a pool of its own."""

    def call(job: Any) -> Any:
        async def with_pool() -> Any:
            pool = await connections.pool(stack.postgres, 2)
            try:
                return await job(pool)
            finally:
                pool.terminate()

        return run_sync(with_pool())

    return call


def folded(tenant_id: int, logged: list[list[dict[str, Any]]]) -> EventFold:
    """A partition that folded these batches, of this tenant; those that do not decode are left out."""
    stream = EventFold()
    for offset, events in enumerate(logged):
        mine = [event | {"tenant_id": tenant_id} for event in events]
        value = json.dumps({"v": 1, "received_at_ms": NOW_MS, "events": mine}).encode(
            "utf-8", "surrogatepass"
        )
        try:
            stream.fold(Record(offset, NOW_MS, value))
        except Rejected as refused:
            assert refused.code  # noqa: PT017 - both ends are fine
    return stream


def as_numbers(value: Any) -> Any:
    """Postgres writes large floats out as integers: compare what they are as floats."""
    if isinstance(value, dict):
        return {name: as_numbers(part) for name, part in value.items()}
    if isinstance(value, list):
        return [as_numbers(part) for part in value]
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else value


@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(logged=st.lists(batches, min_size=20, max_size=40))
def test_what_decodes_is_stored_and_counted(run: Any, logged: list[list[dict[str, Any]]]) -> None:
    """No statement fails, each id is there once, and its points are sound to the aggregator."""
    tenant_id = SystemRandom().randrange(1 << 40)
    work = folded(tenant_id, logged).checkpoint().work

    async def stored(pool: connections.Pool) -> dict[str, Any]:
        async with connections.connection(pool) as conn:
            async with conn.transaction():
                await judge([work], EventIds(conn))
                await EventTables(PROJECTIONS).save(conn, {Key("events", 0): work})
            rows = await conn.fetch(
                "SELECT event_id, properties::text AS body FROM event WHERE tenant_id = $1", tenant_id
            )
        assert len(rows) == len({row["event_id"] for row in rows})
        return {row["event_id"]: as_numbers(json.loads(row["body"])) for row in rows}

    bodies = run(stored)
    sent = {
        event.event_id: event for arrival in reversed(work.arrivals) for event in reversed(arrival.events)
    }
    batches_sent = [
        envelope.decode(envelope.encode(batch), NOW_MS)
        for _, batch in derived(0, work, PROJECTIONS, partitions_of(5))
    ]

    assert bodies == {one: as_numbers(orjson.loads(bytes(event.properties))) for one, event in sent.items()}
    assert all(checked(packed) for batch in batches_sent for packed in batch.series)
    errors = sum(event.type == "error" for event in sent.values())
    assert len(sent) + errors == sum(len(batch.points) for batch in batches_sent)


NUMBERS = [
    "36893488147419103233", "0.12345678901234567890123", "1.10", "-7.0", "9" * 300, "0." + "1" * MAX_SCALE,
    "0." + "1" * 20_000, "1e-99999", "0e999999999999", "1e308", "0e308", "5e-324", "1" * 30_000 + "e-29999",
]  # fmt: skip
"""Numbers of all lengths."""


def test_numbers_of_a_body_are_stored_as_they_came(run: Any) -> None:
    """Those that Postgres can hold, to the last digit; the others as floats. Source: inngest#4058."""
    tenant_id = SystemRandom().randrange(1 << 40)
    stream = EventFold()
    for offset, number in enumerate(NUMBERS):
        head = {"tenant_id": tenant_id, "event_id": str(offset), "type": "click", "ts_ms": NOW_MS}
        text = json.dumps({"v": 1, "received_at_ms": NOW_MS, "events": [head | {"properties": "BODY"}]})
        stream.fold(Record(offset, NOW_MS, text.replace('"BODY"', f'{{"n":{number}}}').encode()))
    work = stream.checkpoint().work

    async def stored(pool: connections.Pool) -> list[str]:
        async with connections.connection(pool) as conn:
            async with conn.transaction():
                await judge([work], EventIds(conn))
                await EventTables(PROJECTIONS).save(conn, {Key("events", 0): work})
            rows = await conn.fetch(
                "SELECT properties->>'n' AS n FROM event WHERE tenant_id = $1 ORDER BY event_id::int",
                tenant_id,
            )
        return [row["n"] for row in rows]

    found = run(stored)

    assert NUMBERS[:6] == found[:6]
    assert list(map(float, NUMBERS)) == list(map(float, found))
