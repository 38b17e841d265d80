"""Generated and bad bodies of every protocol over HTTP to the running system: what is accepted is in the tables.

The same bodies go the whole way in this process, which says what the tables must hold. `TIDEGAUGE_GENERATED` says how
many bodies are made of each protocol.
"""

import asyncio
import os
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from itertools import chain
from pathlib import Path
from random import Random
from typing import Any

import httpx2
import pytest
import pytest_asyncio

from deploy import api_keys
from deploy.local.stack import Stack
from shared.runtime.clock import now_ms
from shared.wire.versions import NEW
from tests.support.bad_bodies import bad_bodies
from tests.support.http.wild_post import post, with_key
from tests.support.pipeline import Pipeline, Verdict
from tests.support.processes.system import System
from tests.support.refusals import reported_points
from tests.support.wait import until
from tests.support.wild.protocols import MAKERS
from tests.support.wild.wild_body import WildBody

pytestmark = [pytest.mark.servers, pytest.mark.timeout(1800)]

BODIES = int(os.environ.get("TIDEGAUGE_GENERATED", "30"))
CLIENTS = 8
EARLIER_MS = 61_000
"""Bodies are of so long ago, so that the latest of their points lie in windows that close soon."""

PARTIAL = frozenset({400, 422})
"""Answers of a request of which some was refused, or all: of remote write and InfluxDB 400, though the rest is kept."""

SAMPLES = """
SELECT coalesce(sum(samples), 0)::bigint FROM (
    SELECT series_id, samples FROM rollup_10s WHERE window_start >= now() - interval '1 day'
    UNION ALL SELECT series_id, samples FROM rollup_1m WHERE window_start < now() - interval '1 day'
) AS rows JOIN series USING (series_id) WHERE tenant_id = $1 AND kind IN ('gauge', 'delta')
  AND metric <> 'intake.refused'
"""
EVENTS = "SELECT count(*) FROM event WHERE tenant_id = $1"
OWNERS = "SELECT DISTINCT tenant_id FROM series JOIN tenant USING (tenant_id) WHERE starts_with(name, $1)"
DEAD = "SELECT code, reason FROM dead_letter WHERE starts_with(topic, $1) LIMIT 5"


@pytest_asyncio.fixture
async def system(stack: Stack, tmp_path: Path) -> AsyncIterator[System]:
    """Four services that write the newest version, which knows the samples of windows; nobody is paged."""
    settings = {"TIDEGAUGE_WRITE_VERSION": str(NEW)}
    async with System(stack, tmp_path, "http://127.0.0.1:1/", settings) as made:
        limits = "points_per_s = 1e9, points_burst = 1e9, max_series = 1000000, scrub = '{}'"
        await made.sql(f"UPDATE tenant SET {limits} WHERE name = $1", made.prefix)
        yield made


def generated(key: str, at_ms: int) -> Iterator[WildBody]:
    """Bodies of all protocols, each different from all others."""
    seen = set[bytes]()
    for protocol, makers in MAKERS.items():
        for seed in range(BODIES):
            chance = Random(f"{protocol} {seed}")
            sent = with_key(chance.choice(makers)(chance, at_ms), key)
            if sent.body not in seen:
                seen.add(sent.body)
                yield sent


async def posted(system: System, bodies: Iterator[WildBody], pipeline: Pipeline) -> Counter[str]:
    """Post all of them, to the system and to the pipeline; how often each status of a path came, with odd answers."""
    found = Counter[str]()

    async def run(client: httpx2.AsyncClient) -> None:
        for sent in bodies:
            verdict = pipeline.post(sent.path, sent.request(system.tenant_id, now_ms()))
            answer = await post(client, sent, system.key)
            found[f"{sent.path} {answer.status_code}"] += 1
            taken = isinstance(verdict, Verdict)
            wanted = answer.is_success or (taken and answer.status_code in PARTIAL)
            if answer.status_code >= 500 or taken != wanted:
                found[f"odd: {verdict} but {answer.status_code} {answer.text[:200]} to {sent}"] += 1

    async with httpx2.AsyncClient(base_url=system.url, timeout=60) as client, asyncio.TaskGroup() as group:
        for _ in range(CLIENTS):
            group.create_task(run(client))
    return found


async def accounts(system: System) -> dict[str, Any]:
    """The whole account of each signal."""
    return {
        signal: (await system.get("/v1/ledger", signal=signal))["total"] for signal in ("points", "events")
    }


async def assert_counted(system: System, pipeline: Pipeline) -> None:
    """The ledger closes at what the pipeline let in, and the tables hold it."""
    wanted = {
        "points": pipeline.admitted["points"] + pipeline.admitted["derived"],
        "events": pipeline.admitted["events"],
    }

    async def closed() -> bool:
        found = await accounts(system)
        outcomes = {
            signal: sum(total[name] for name in ("counted", "duplicate", "stale_total", "contested_total"))
            for signal, total in found.items()
        }
        outcomes["points"] -= await reported_points(system)
        return outcomes == wanted and not any(total["difference"] for total in found.values())

    async def in_tables() -> bool:
        (samples,) = (await system.sql(SAMPLES, system.tenant_id))[0]
        return bool(samples == pipeline.samples)

    await until(closed, f"the ledger closes at {wanted}", 120)
    total = await accounts(system)
    assert not any(found["dead_lettered"] or found["conflict"] for found in total.values()), total
    assert total["points"]["duplicate"] == 0, total
    assert (await system.sql(EVENTS, system.tenant_id))[0][0] == total["events"]["counted"]
    await until(in_tables, f"windows hold {pipeline.samples} samples", 120)
    assert await system.sql(DEAD, system.prefix) == []


async def test_what_is_accepted_over_http_is_in_the_tables(system: System) -> None:
    """No 5xx; every point of a 2xx in a window, every event in its table, nothing a dead letter.

    Bad items harm no neighbour; and nothing is of the tenant whose key or number stands in a body.
    """
    other, before_ms, pipeline = api_keys.new_key("write"), now_ms() - EARLIER_MS, Pipeline(NEW)
    await api_keys.create(system.stack.postgres, f"{system.prefix}other", other, "write")
    bad = (with_key(case.sent, system.key) for case in bad_bodies(before_ms))
    foreign = (sent._replace(body=sent.body.replace(b"tg_other", other.encode())) for sent in bad)

    found = await posted(system, chain(foreign, generated(system.key, before_ms)), pipeline)

    assert [odd for odd in found if odd.startswith("odd")] == []
    await assert_counted(system, pipeline)
    owners = await system.sql(OWNERS, system.prefix)
    assert [system.tenant_id] == [row["tenant_id"] for row in owners]
