"""Made-up keys: each costs one look-up at most, all together few, and a good tenant is served meanwhile.

`make keys` tries a million.
"""

import asyncio
import os
import secrets
from collections import Counter

import asyncpg
import httpx2
import pytest

from deploy.local.stack import Stack
from services.gateway.auth.lookup_limit import ADDRESS_MISSES, SPAN_S
from shared.runtime.clock import monotonic_s
from tests.support.http.bare import Bare, opened, posted
from tests.support.http.gateway import OF_SERVERS, Gateway, points, refusals

pytestmark = pytest.mark.servers

KEYS = int(os.environ.get("TIDEGAUGE_KEYS", "4000"))
ADDRESSES = [f"127.0.2.{at + 1}" for at in range(15)]
"""Each may look twenty keys up in ten seconds; together they leave some for the other tests."""

PIPELINED = 50
OTHERS = 100
"""Look-ups of other tests' gateways beside."""

SCANS = """
SELECT pg_stat_force_next_flush(), pg_stat_clear_snapshot(),
       (SELECT coalesce(seq_scan, 0) + coalesce(idx_scan, 0) FROM pg_stat_user_tables WHERE relname = 'api_key')
"""


async def tried(one: Bare, count: int) -> Counter[tuple[int, str]]:
    """What so many keys that nobody has are answered on a connection."""
    answers: Counter[tuple[int, str]] = Counter()
    for begin in range(0, count, PIPELINED):
        some = range(min(PIPELINED, count - begin))
        await one.send(b"".join(posted(b"{}", key=secrets.token_urlsafe(24)) for _ in some))
        for _ in some:
            answers[await one.answer()] += 1
    one.close()
    return answers


async def test_made_up_keys_cost_few_queries(gateway: Gateway, stack: Stack) -> None:
    """401, then 429, on every address; never more look-ups than the limit gives, however many keys come."""
    connection = await asyncpg.connect(stack.postgres)
    try:
        before, begin_s = (await connection.fetchrow(SCANS))[2], monotonic_s()
        attack = asyncio.gather(
            *[tried(await opened(gateway.port, address), KEYS // len(ADDRESSES)) for address in ADDRESSES]
        )
        good = list[httpx2.Response]()
        while not attack.done():
            good.append(await gateway.post(points([8400])))
        answers = sum(await attack, Counter[tuple[int, str]]())
        spans = 2 + (monotonic_s() - begin_s) // SPAN_S
        # A backend tells of its scans when it has rested for a second; a query of ours makes ours tell.
        scans = (await connection.fetchrow(SCANS))[2] - before
    finally:
        await connection.close()

    shown = f"{sum(answers.values()):,} keys in {monotonic_s() - begin_s:.0f} s: {scans} look-ups, {dict(answers)}"
    print(shown)  # noqa: T201 - what `make keys` is asked for
    assert {(401, "unauthorised"), (429, "too_many_unknown_keys")} == answers.keys() - OF_SERVERS
    assert KEYS // len(ADDRESSES) * len(ADDRESSES) == sum(answers.values())
    assert answers[401, "unauthorised"] <= spans * len(ADDRESSES) * ADDRESS_MISSES
    assert scans <= answers[401, "unauthorised"] + OTHERS
    assert set() == refusals(good)
