"""Events on a real gateway and a real topic."""

import asyncio
import gzip
import json
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from deploy.kafka import topics
from deploy.local.stack import Stack
from shared.model.funnel import EFFECT_CREATION
from shared.runtime.clock import now_ms
from shared.wire.events import partition_of
from shared.wire.topics import METRICS
from tests.support.http.gateway import PARTITIONS, Gateway, points, prepare
from tests.support.http.gateway import gateway as unstarted
from tests.support.wait import until

pytestmark = pytest.mark.servers

YEAR_MS = 365 * 24 * 3600 * 1000
FUNNEL = {"funnel": EFFECT_CREATION.name}


def event(**fields: Any) -> dict[str, Any]:
    """A good event of now with an id of its own."""
    return {"event_id": uuid4().hex, "type": "click", "ts": now_ms(), "session_id": "s1", **fields}


def deep(levels: int) -> Any:
    """So many lists in each other."""
    return [deep(levels - 1)] if levels else 1


async def stored(gateway: Gateway, ids: set[str]) -> dict[str, Any]:
    """The events with these ids that are in the topic, each in the partition that owns it."""
    found = [(partition, each) for partition, each in await gateway.events() if each.event_id in ids]
    assert all(partition == partition_of(each, PARTITIONS) for partition, each in found)
    assert len({each.event_id for _, each in found}) == len(found)
    return {each.event_id: each for _, each in found}


async def test_events_are_in_the_log_when_they_are_accepted(gateway: Gateway) -> None:
    """With all they said, and once."""
    sent = [
        event(name="Buy", user_id="u", properties={"nested": [{"a": "ü"}]}),
        event(),
        event(session_id=None),
    ]

    answer = await gateway.post({"events": sent}, path="/v1/events")

    assert (202, {"accepted": 3, "rejected": []}) == (answer.status_code, answer.json())
    found = await stored(gateway, {each["event_id"] for each in sent})
    first = found[sent[0]["event_id"]]
    assert ("click", "Buy", "s1", "u", {"nested": [{"a": "ü"}]}) == (
        first.type, first.name, first.session_id, first.user_id, json.loads(bytes(first.properties))
    )  # fmt: skip
    assert len(found) == 3


@pytest.mark.parametrize("path", ["/v1/events", "/api/analytics/events"])
async def test_numbers_of_a_body_are_in_the_log_as_they_came(gateway: Gateway, path: str) -> None:
    """Whatever door they took: no float is made of them. Source: inngest#4058."""
    numbers = '{"a":36893488147419103233,"b":0.12345678901234567890123}'
    said = json.dumps({"events": [sent := event(properties="NUMBERS")]}).replace('"NUMBERS"', numbers)

    answer = await gateway.post(said.encode(), path=path)

    assert answer.status_code == 202
    found = await stored(gateway, {sent["event_id"]})
    assert numbers == bytes(found[sent["event_id"]].properties).decode()


@pytest.mark.parametrize(
    ("malformed", "code", "field"),
    [
        pytest.param({"event_id": None}, "invalid_event_id", "event_id", id="id is null"),
        pytest.param({"event_id": ""}, "invalid_event_id", "event_id", id="id is empty"),
        pytest.param({"event_id": "x" * 10_000}, "invalid_event_id", "event_id", id="id of 10 kB"),
        pytest.param({"event_id": "a\x00b"}, "invalid_event_id", "event_id", id="id with a control character"),
        pytest.param({"type": "a\tb"}, "invalid_type", "type", id="type with a control character"),
        pytest.param({"name": "\u202e"}, "invalid_name", "name", id="name that turns text around"),
        pytest.param({"ts": 0}, "ts_too_old", "ts", id="1970"),
        pytest.param({"ts": now_ms() + YEAR_MS}, "ts_in_future", "ts", id="next year"),
        pytest.param({"ts": now_ms() // 1000}, "ts_too_old", "seconds", id="seconds"),
        pytest.param({"ts": 2**70}, "ts_in_future", "ts", id="beyond 64 bits"),
        pytest.param({"ts": "yesterday"}, "invalid_ts", "ts", id="no time"),
        pytest.param({"properties": {"a": "x" * 900_000}}, "invalid_properties", "properties", id="900 kB"),
        pytest.param({"properties": {"a": deep(100)}}, "invalid_properties", "properties", id="100 levels"),
        pytest.param({"properties": [1]}, "invalid_properties", "properties", id="a list"),
        pytest.param({"properties": {"a": "\x00"}}, "invalid_properties", "properties", id="U+0000"),
        pytest.param({"session_id": True}, "invalid_session_id", "session_id", id="session is a bool"),
        pytest.param({"type": "funnel_step", "name": "effect_start"}, "unknown_funnel", "funnel", id="no funnel"),
        pytest.param(
            {"type": "funnel_step", "name": "effect_start", "properties": {"funnel": "x"}},
            "unknown_funnel", "funnel", id="unknown funnel",
        ),
        pytest.param(
            {"type": "funnel_step", "name": "jump", "properties": FUNNEL}, "unknown_step", "name", id="unknown step"
        ),
        pytest.param(
            {"type": "funnel_step", "name": "effect_start", "properties": FUNNEL, "session_id": None},
            "missing_session", "session_id", id="a step without session",
        ),
    ],
)  # fmt: skip
async def test_a_bad_event_is_refused_by_itself(
    gateway: Gateway, malformed: dict[str, Any], code: str, field: str
) -> None:
    """It is named by index, code and field, and its neighbours are stored."""
    before, after = event(), event()

    answer = await gateway.post({"events": [before, event(**malformed), after]}, path="/v1/events")

    assert 202 == answer.status_code
    (refusal,) = answer.json()["rejected"]
    assert (2, 1, code) == (answer.json()["accepted"], refusal["index"], refusal["code"])
    assert field in refusal["message"]
    assert 2 == len(await stored(gateway, {before["event_id"], after["event_id"]}))


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        pytest.param({"events": [{"type": "x"}]}, 422, None, id="nothing good"),
        pytest.param({"events": []}, 400, "no_events", id="none"),
        pytest.param({"points": []}, 400, "invalid_body", id="not events"),
        pytest.param(b"{", 400, "malformed_json", id="not JSON"),
        pytest.param({"events": [event()] * 1001}, 413, "too_many_events", id="1,001 events"),
        pytest.param(b" " * (1 << 20) + b"{}", 413, "body_too_large", id="more than 1 MiB"),
        pytest.param(b"[" * 100_000, 400, "invalid_body", id="nested without end"),
    ],
)
async def test_a_body_that_is_none_is_refused(
    gateway: Gateway, body: Any, status: int, code: str | None
) -> None:
    """With a code, as for points."""
    answer = await gateway.post(body, path="/v1/events")

    assert (status, code) == (answer.status_code, answer.json().get("code"))


async def test_gzip_and_keys_work_as_for_points(gateway: Gateway) -> None:
    """One door for both."""
    body = gzip.compress(json.dumps({"events": [event()]}).encode())
    answers = [
        await gateway.post(body, path="/v1/events", content_encoding="gzip"),
        await gateway.post({"events": [event()]}, "read", path="/v1/events"),
        await gateway.post({"events": [event()]}, None, path="/v1/events"),
        await gateway.post({"events": [event()] * 6}, "slow", path="/v1/events"),
        await gateway.post({"events": [event()] * 6}, "slow", path="/v1/events"),
    ]

    assert [202, 403, 401, 202, 429] == [answer.status_code for answer in answers]


async def taken(gateway: Gateway) -> str:
    """Post events until one is accepted; its id. A gateway that waits 300 ms for a broker may refuse some."""
    posted: list[dict[str, object]] = []

    async def accepted() -> bool:
        posted.append(event())
        return (await gateway.post({"events": posted[-1:]}, path="/v1/events")).status_code == 202

    await until(accepted, "events are taken", 30)
    return str(posted[-1]["event_id"])


async def test_a_killed_kafka_loses_no_accepted_event(stack: Stack, impatient: Gateway) -> None:
    """In between they are refused and it is said whether they may be in the log; afterwards they are taken again."""
    during = event()
    before = await taken(impatient)
    stack.servers["kafka"].kill()
    refused = await impatient.post({"events": [during]}, path="/v1/events")
    at_once = await impatient.post([during], path="/api/analytics/events")
    stack.servers["kafka"].start()  # type: ignore[attr-defined]
    await asyncio.to_thread(stack.servers["kafka"].wait_ready)
    after = await taken(impatient)
    logged = Counter(each.event_id for _, each in await impatient.events())

    outcomes = {(answer.status_code, answer.json()["outcome"]) for answer in (refused, at_once)}
    assert outcomes <= {(503, "unknown"), (503, "not_accepted")}
    assert (1, 1) == (logged[before], logged[after])


async def test_points_are_taken_while_the_topic_of_events_is_missing(stack: Stack, tmp_path: Path) -> None:
    """A process without both topics is not ready, and what it can take it takes."""
    addresses = (stack.kafka, stack.postgres, stack.redis)
    prefix = f"gw-{uuid4().hex[:8]}."
    half = unstarted(addresses, prefix, tmp_path)
    await topics.create(stack.kafka, [replace(METRICS, name=prefix + METRICS.name)], PARTITIONS)
    try:
        half.start()
        await half.answers("/health/live")

        async def taken() -> bool:
            return (await half.post(points([1]))).status_code == 202

        await until(taken, "points are taken", 30)
        ready = await half.status("/health/ready")
        refused = await half.post({"events": [event()]}, path="/v1/events")
        await prepare(stack.kafka, stack.postgres, half.topic)
        await half.answers()
        answer = await half.post({"events": [event()]}, path="/v1/events")
    finally:
        half.remove()

    assert (503, 503, "not_accepted", 202) == (
        ready, refused.status_code, refused.json()["outcome"], answer.status_code
    )  # fmt: skip
