"""The examples of every protocol over HTTP to the running system, whole and changed at random.

No answer is 5xx, no socket hangs, a neighbour of another tenant is answered all the while and loses nothing; and what
was let in is counted: the ledger closes, and nothing has become a dead letter. TIDEGAUGE_WILD says how many bodies of
each example are changed, TIDEGAUGE_WILD_S for how many seconds that goes on. Some are compressed before they are
changed, and some clients hang up within their body.
"""

import asyncio
import gzip
import os
import random
import re
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import cramjam
import httpx2
import pytest
import pytest_asyncio

from deploy import api_keys
from deploy.local.stack import Stack
from services.gateway.intake.protocols.registry import protocol_routes
from shared.runtime.clock import monotonic_s, now_ms
from tests.support.examples import Example, examples
from tests.support.freshness import fresh
from tests.support.processes.system import System
from tests.support.wait import until

pytestmark = [pytest.mark.servers, pytest.mark.timeout(3600)]

CHANGED = int(os.environ.get("TIDEGAUGE_WILD", "20"))
SPAN_S = float(os.environ.get("TIDEGAUGE_WILD_S", "0"))
CLIENTS = 8
EXAMPLES = list(examples())
ROUTES = protocol_routes(1000, 1000)
COMPRESSED = 0.2
"""Share of the bodies that are compressed before they are changed."""

HUNG_UP = 0.02
"""Share of the bodies whose client leaves within them."""

OUTCOMES = """
SELECT outcome, sum(count)::bigint FROM ledger_1m JOIN tenant USING (tenant_id) WHERE name = $1 GROUP BY outcome
"""
COMPRESS = {b"gzip": gzip.compress, b"snappy": lambda body: bytes(cramjam.snappy.compress_raw(body))}
_KEY = re.compile(r"((?:sentry_key|key|api_key|token)=)[^&]*")
_KEY_IN_DSN = re.compile(rb'("dsn"\s*:\s*"https?://)[^@"]*@')
_KEY_IN_JSON = re.compile(rb'("(?:api_key|token)"\s*:\s*)"[^"]*"')


@pytest_asyncio.fixture
async def system(stack: Stack, tmp_path: Path) -> AsyncIterator[System]:
    """Four services; nobody is paged."""
    async with System(stack, tmp_path, "http://127.0.0.1:1/") as made:
        yield made


def changed(body: bytes, chance: random.Random) -> bytes:
    """The body with some bytes exchanged, put in or taken out."""
    for _ in range(chance.randint(1, 4)):
        at = chance.randrange(len(body) + 1)
        put = chance.randbytes(chance.randint(0, 3))
        body = body[:at] + put + body[at + chance.randint(0, 3) :]
    return body


def request_of(example: Example, body: bytes, key: str, client: httpx2.AsyncClient) -> httpx2.Request:
    """The request, with the key wherever its protocol may look for it."""
    request = example.request
    query = _KEY.sub(rf"\g<1>{key}", fresh(request.query, request.received_at_ms, now_ms()).decode())
    media = request.media.decode() or "application/json"
    headers = {
        "content-type": media, "x-api-key": key, "x-sentry-auth": f"Sentry sentry_version=7, sentry_key={key}",
    } | {name.decode(): value.decode() for name, value in request.headers}  # fmt: skip
    path = request.path.replace("{key}", key).replace("{project}", "1")
    return client.build_request("POST", f"{path}?{query}" if query else path, content=body, headers=headers)


def whole(example: Example, key: str) -> bytes:
    """The body as if it were made now, with the key where it holds one."""
    body = fresh(example.request.body, example.request.received_at_ms, now_ms())
    return _KEY_IN_DSN.sub(rb"\g<1>%b@" % key.encode(), _KEY_IN_JSON.sub(rb'\g<1>"%b"' % key.encode(), body))


async def post(system: System, example: Example, count: int, chance: random.Random) -> Counter[int]:
    """Post an example whole and then changed; how often each status came."""
    found = Counter[int]()
    async with httpx2.AsyncClient(base_url=system.url, timeout=30) as client:
        for number in range(count + 1):
            body = whole(example, system.key)
            if number and chance.random() < HUNG_UP:
                await hang_up(request_of(example, body, system.key, client), chance)
                continue
            sent = request_of(example, changed(body, chance) if number else body, system.key, client)
            encodings = sorted(ROUTES[example.request.path].dialect.encodings.keys() & COMPRESS.keys())
            if number and encodings and chance.random() < COMPRESSED:
                encoding = chance.choice(encodings)
                packed = changed(COMPRESS[encoding](body), chance)
                sent = request_of(example, packed, system.key, client)
                sent.headers["content-encoding"] = encoding.decode()
            found[(await client.send(sent)).status_code] += 1
    return found


async def hang_up(sent: httpx2.Request, chance: random.Random) -> None:
    """Announce a body, and leave within it."""
    _, writer = await asyncio.open_connection(sent.url.host, sent.url.port)
    lines = [
        f"POST {sent.url.raw_path.decode()} HTTP/1.1",
        *(f"{name}: {value}" for name, value in sent.headers.items()),
    ]
    writer.write(
        "\r\n".join(lines).encode() + b"\r\n\r\n" + sent.content[: chance.randint(0, len(sent.content))]
    )
    await writer.drain()
    writer.close()
    await writer.wait_closed()


async def neighbour(system: System, key: str, stop: asyncio.Event) -> Counter[int]:
    """A good client of another tenant beside them."""
    found = Counter[int]()
    async with httpx2.AsyncClient(base_url=system.url, timeout=30) as client:
        while not stop.is_set():
            body = {"points": [{"name": "neighbour", "value": 1, "ts": now_ms()}]}
            answer = await client.post("/v1/telemetry", json=body, headers={"x-api-key": key})
            found[answer.status_code] += 1
            await asyncio.sleep(0.05)
    return found


async def test_wild_bodies_harm_nobody_and_what_is_let_in_is_counted(system: System) -> None:
    """Every example is taken whole; every change of it has an answer that its client can act on."""
    stop, gate, statuses = asyncio.Event(), asyncio.Semaphore(CLIENTS), dict[str, Counter[int]]()
    key, other = api_keys.new_key("write"), f"{system.prefix}neighbour"
    await api_keys.create(system.stack.postgres, other, key, "write")
    limits = "points_per_s = 1e9, points_burst = 1e9"
    await system.sql(f"UPDATE tenant SET {limits} WHERE name = ANY($1)", [system.prefix, other])
    ends_s = monotonic_s() + SPAN_S

    async def run(number: int, example: Example) -> None:
        chance, found = random.Random(number), statuses.setdefault(example.name, Counter())
        while not found or monotonic_s() < ends_s:
            async with gate:
                found += await post(system, example, CHANGED, chance)

    beside = asyncio.create_task(neighbour(system, key, stop))
    async with asyncio.TaskGroup() as group:
        for number, example in enumerate(EXAMPLES):
            group.create_task(run(number, example))
    stop.set()
    good = await beside

    assert {202} == set(good), good
    failed = {name: found for name, found in statuses.items() if any(status >= 500 for status in found)}
    assert {} == failed
    answered = {example.request.path for example in EXAMPLES if any(s < 300 for s in statuses[example.name])}
    assert set(ROUTES) == answered, statuses
    await until(lambda: closed(system), "the ledger closes for points and for events", 120)
    await until(lambda: counted(system, other, good.total()), "the neighbour's points count", 60)
    letters = await system.sql(
        "SELECT code, reason FROM dead_letter WHERE starts_with(topic, $1) LIMIT 5", system.prefix
    )
    assert [] == letters


async def counted(system: System, tenant: str, points: int) -> bool:
    """Whether the ledger says so many of a tenant, and nothing else."""
    rows = await system.sql(OUTCOMES, tenant)
    return {(outcome, number) for outcome, number in rows} == {("received", points), ("counted", points)}


async def closed(system: System) -> bool:
    """Whether everything that came in has an outcome."""
    totals = [(await system.get("/v1/ledger", signal=signal))["total"] for signal in ("points", "events")]
    return all(total["received"] > 0 and total["difference"] == 0 for total in totals)
