"""All is accounted for, whatever is killed: over HTTP, by the audit of an operator, and both can say no."""

import asyncio
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from signal import SIGTERM
from typing import Any

import httpx2
import pytest
import pytest_asyncio

from deploy.local.stack import Stack
from services.gateway.intake.publish.refusal_reports import METRIC
from shared.runtime.clock import now_ms
from shared.wire.topics import METRICS
from tests.support.processes.harness import deleted_records
from tests.support.processes.system import PARTITIONS, System
from tests.support.refusals import reported_points
from tests.support.wait import until

pytestmark = [pytest.mark.servers, pytest.mark.timeout(900)]

TIDEGAUGE = str(Path(sys.executable).with_name("tidegauge"))

GOOD, BAD = 7, 2
"""Of each body."""

LONG_AGO_MS = 40 * 60_000
"""Windows of every tier that lie so far back have closed."""

DAYS_MS = 24 * 3600 * 1000


@dataclass
class Sent:
    """What was posted of points, or of events."""

    answered: int = 0
    """Of bodies with an answer of 202."""
    unanswered: int = 0
    """Of all others: they may be in the log or not."""


@pytest_asyncio.fixture
async def system(stack: Stack, tmp_path: Path) -> AsyncIterator[System]:
    """Four services; nobody is paged."""
    async with System(stack, tmp_path, "http://127.0.0.1:1/") as made:
        yield made


async def test_all_is_accounted_for_whatever_is_killed(system: System) -> None:
    """What came in had an outcome, what was answered came in, and what was counted is in the tables."""
    points, events, stop = Sent(), Sent(), asyncio.Event()
    async with asyncio.TaskGroup() as group:
        group.create_task(post(system, "/v1/telemetry", of_points, points, stop))
        group.create_task(post(system, "/v1/events", of_events, events, stop))
        for service in ("gateway", "aggregator", "ingest", "gateway"):
            before = points.answered, events.answered
            await until(lambda: answered(before, points, events), "both are answered")  # noqa: B023
            await system.kill(service)
        before = points.answered, events.answered
        await until(lambda: answered(before, points, events), "both are answered again")
        stop.set()

    await until(lambda: settled(system, points, events), "all that was answered has come through", 60)
    of = {signal: await system.get("/v1/ledger", signal=signal) for signal in ("points", "events")}
    assert [] == [minute for found in of.values() for minute in found["minutes"] if minute["difference"]]
    for signal, sent in (("points", points), ("events", events)):
        total = of[signal]["total"]
        assert sent.answered <= total["received"] <= sent.answered + sent.unanswered
        assert sent.answered * BAD <= total["rejected"]["ts_too_old"] * (GOOD + BAD)
    assert of["events"]["total"]["duplicate"] > 0
    reports = await reported_points(system)
    assert of["points"]["total"]["derived"] == of["events"]["total"]["counted"] + reports


async def test_the_audit_says_so_and_notices_a_changed_row(system: System) -> None:
    """Exit code 0 and a table; 1 and the place after a hand was laid on the ledger, or on a tier."""
    async with httpx2.AsyncClient(base_url=system.url, timeout=20) as client:
        for path, body in (("/v1/telemetry", of_points(0)), ("/v1/events", of_events(0))):
            await client.post(path, json=body, headers={"x-api-key": system.key})
    one = Sent(GOOD + BAD)
    await until(lambda: settled(system, one, one), "all has come through", 60)

    sound = await audit(system)
    await lay_hand(
        system, "UPDATE ledger_1m SET count = count - 1 WHERE tenant_id = $1 AND outcome = 'counted'"
    )
    missing = await audit(system)
    await lay_hand(
        system, "UPDATE ledger_1m SET count = count + 1 WHERE tenant_id = $1 AND outcome = 'counted'"
    )
    await lay_hand(
        system,
        "UPDATE rollup_1m SET sum = sum + 1 WHERE series_id = ANY(SELECT series_id FROM series WHERE tenant_id = $1)",
    )
    apart = await audit(system)

    assert (0, True) == (sound[0], sound[1].endswith("all is accounted for\n")), sound[1]
    assert "rejected, points of " in sound[1]
    assert "rollup_1m agrees with rollup_10s (8 windows of series compared)" in sound[1]
    assert "prepared groups of rollup_group_15m agree with rollup_15m (" in sound[1]
    assert 1 == missing[0]
    assert "does not close: " in missing[1]
    assert "difference +" in missing[1]
    assert (1, False) == (apart[0], "does not close" in apart[1])
    assert "rollup_1m differs from rollup_10s" in apart[1]
    assert "rollup_15m differs from rollup_1m" in apart[1]
    assert "prepared groups of rollup_group_1m differ from rollup_1m (" in apart[1]


async def test_a_difference_pages_until_it_is_gone(system: System) -> None:
    """A rule like any other fires, for the tenant and signal concerned, and resolves."""
    row = system.prefix + METRICS.name, system.tenant_id
    await system.sql(
        "INSERT INTO ledger_1m VALUES (date_trunc('minute', now()), $2, $1, 0, 'received', 3)", *row
    )
    await system.kill("aggregator")  # a new owner looks at once
    await until(lambda: paged(system, "firing"), "the alert fires")
    await system.sql(
        "DELETE FROM ledger_1m WHERE topic = $1 AND tenant_id = $2 AND outcome = 'received'", *row
    )
    await until(lambda: paged(system, "resolved"), "the alert is over", 60)


async def test_records_removed_before_a_worker_read_them_are_lost_and_page(system: System) -> None:
    """Within a minute they stand in the ledger, message by message, and the alert of the ledger fires."""
    topic = system.prefix + METRICS.name

    async def owned() -> bool:
        states = await system.sql("SELECT FROM partition_state WHERE topic = $1 AND next_offset > 0", topic)
        return len(states) == PARTITIONS

    await until(owned, "the aggregator has read of every partition", 30)
    system.workers["aggregator"].signal(SIGTERM)
    await system.workers["aggregator"].ended(15)
    async with httpx2.AsyncClient(base_url=system.url, timeout=20) as client:
        sent = await client.post("/v1/telemetry", json=of_points(0), headers={"x-api-key": system.key})
    begins = await deleted_records(system.stack.kafka, topic, dict.fromkeys(range(PARTITIONS), -1))
    ends = await system.sql("SELECT partition, next_offset FROM partition_state WHERE topic = $1", topic)
    removed = sum(begins[partition] - next_offset for partition, next_offset in ends)
    await system.start("aggregator")

    async def stands() -> bool:
        return bool((await system.get("/v1/ledger"))["total"]["lost"] == removed)

    async def pages() -> bool:
        alerts = [one["data"] for one in await system.published_alerts()]
        return [("LedgerOpen", "firing", removed)] == [
            (one["labels"]["alertname"], one["state"], one["value"]) for one in alerts
        ]

    await until(stands, "what was removed is lost", 60)
    await system.kill("aggregator")  # a new owner looks at once
    await until(pages, "the alert fires", 90)
    total = (await system.get("/v1/ledger"))["total"]
    assert (202, True, -removed) == (sent.status_code, removed > 0, total["difference"])


async def test_the_audit_of_an_unknown_tenant_is_refused(system: System) -> None:
    """Rather than a table of nothing, which would look sound."""
    code, text = await audit(system, "--tenant", "nobody")

    assert (1, "tidegauge: there is no tenant 'nobody'\n") == (code, text)


def of_points(_: int) -> dict[str, Any]:
    """Some late enough for all tiers, and some too late for any."""
    now = now_ms()
    good = [
        {"name": "load", "value": 1, "ts": now - LONG_AGO_MS, "labels": {"n": str(k)}} for k in range(GOOD)
    ]
    return {"points": good + [{"name": "load", "value": 1, "ts": now - 9 * DAYS_MS}] * BAD}


def of_events(number: int) -> dict[str, Any]:
    """New ones, one of the body before, and some too late."""
    now = now_ms()
    ids = [f"{number}-{k}" for k in range(GOOD - 1)] + [f"{max(0, number - 1)}-0"]
    good = [{"event_id": one, "type": "click", "ts": now - LONG_AGO_MS} for one in ids]
    bad = [{"event_id": f"bad-{k}", "type": "click", "ts": now - 9 * DAYS_MS} for k in range(BAD)]
    return {"events": good + bad}


async def post(system: System, path: str, body: Any, sent: Sent, stop: asyncio.Event) -> None:
    """Post bodies until told to stop; nothing is sent twice but what a body repeats itself."""
    number = 0
    async with httpx2.AsyncClient(base_url=system.url, timeout=20) as client:
        while not stop.is_set():
            try:
                answer = await client.post(path, json=body(number), headers={"x-api-key": system.key})
            except httpx2.TransportError:
                status = 0
            else:
                status = answer.status_code
            if status == 202:
                sent.answered += GOOD + BAD
            else:
                sent.unanswered += GOOD + BAD
                await asyncio.sleep(0.05)
            number += 1


async def answered(before: tuple[int, int], points: Sent, events: Sent) -> bool:
    """Whether some more of both have been answered."""
    return points.answered > before[0] + 100 and events.answered > before[1] + 100


async def settled(system: System, sent: Sent, happened: Sent) -> bool:
    """Whether what was answered has come in, and what was counted is in the tables, derived points included."""
    points, events = [
        (await system.get("/v1/ledger", signal=signal))["total"] for signal in ("points", "events")
    ]
    (row,) = await system.sql(
        "SELECT (SELECT count(*) FROM event WHERE tenant_id = $1) AS events, sum(count) AS points "
        "FROM rollup_15m JOIN series USING (series_id) WHERE tenant_id = $1 AND metric <> $2",
        system.tenant_id,
        METRIC,
    )
    reports = await reported_points(system)
    stored = points["counted"] - reports, points["derived"] - reports, events["counted"]
    came = points["received"] >= sent.answered and events["received"] >= happened.answered
    return came and stored == (row["points"], row["events"], row["events"])


async def audit(system: System, *words: str) -> tuple[int, str]:
    """Exit code and all that the command prints."""
    environ = system.stack.environ | {"TIDEGAUGE_TOPIC_PREFIX": system.prefix}
    process = await asyncio.create_subprocess_exec(
        TIDEGAUGE, "audit", *(words or ("--tenant", system.prefix)),
        env=environ, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    text, _ = await process.communicate()
    return process.returncode or 0, text.decode()


async def paged(system: System, state: str) -> bool:
    """Whether the alert of the ledger is in this state."""
    found = (await system.get("/v1/alerts", state=state))["alerts"]
    firing = [(a["labels"]["alertname"], a["labels"]["signal"], a["value"]) for a in found]
    return firing == [("LedgerOpen", "points", 3.0)]


async def lay_hand(system: System, statement: str) -> None:
    """Change a row as nobody should."""
    await system.sql(statement, system.tenant_id)
