"""The processor's time goes to tenants in equal shares, and what one does not use others have."""

import asyncio
import itertools

import pytest

from services.gateway.intake.columns.contract import Request, RequestColumns
from services.gateway.intake.domain.cpu_share import CpuShares
from services.gateway.intake.domain.in_flight import ConcurrencyLimits
from services.gateway.intake.protocols.dialect import Dialect
from services.gateway.intake.protocols.registry import ProtocolRoute
from services.gateway.intake.turns import QUANTUM_S, Shed, Turns
from tests.support.http.intake import GOOD, FakeGrants, FakeLog, post, route
from tests.unit.gateway.test_door import said

HOG, LIGHT = 1, 2
LONG_S = 0.05


class Bench:
    """Requests that take turns; their time is said and not spent."""

    def __init__(self, max_wait_s: float = 1e9) -> None:
        self.now_s = 0.0
        self.turns = Turns(max_wait_s, 1000, lambda: self.now_s)
        self.order: list[int] = []

    async def one(self, tenant_id: int, took_s: float) -> None:
        """A request that takes so long."""
        expected_s = await self.turns.begin(tenant_id)
        self.order.append(tenant_id)
        self.now_s += took_s
        self.turns.end(tenant_id, took_s, expected_s)

    def many(self, tenant_id: int, count: int, took_s: float) -> list[asyncio.Task[None]]:
        """So many of them."""
        return [asyncio.create_task(self.one(tenant_id, took_s)) for _ in range(count)]


async def test_a_light_tenant_does_not_wait_for_all_of_a_heavy_one() -> None:
    """Its request comes after the one that is being decoded, though forty came before it."""
    bench = Bench()
    heavy = bench.many(HOG, 40, LONG_S)
    await asyncio.sleep(0)
    (light,) = bench.many(LIGHT, 1, 0.001)
    await asyncio.wait([light])
    before = bench.order.index(LIGHT)
    await asyncio.gather(*heavy)

    assert before <= 2
    assert 41 == len(bench.order)


async def test_tenants_that_always_wait_have_equal_shares_of_time() -> None:
    """Not of requests: one whose requests take ten times as long has a tenth of them."""
    bench = Bench()
    waiting = bench.many(HOG, 20, 10 * QUANTUM_S) + bench.many(LIGHT, 100, QUANTUM_S)
    await asyncio.gather(*waiting)
    while_both = bench.order[2 : 2 + bench.order[2:].index(LIGHT) + 66]

    assert 4 <= while_both.count(HOG) <= 9


async def test_what_one_does_not_use_others_have() -> None:
    """A tenant that is alone is never refused, however much it brings."""
    bench = Bench(max_wait_s=LONG_S)
    await asyncio.gather(*bench.many(HOG, 200, LONG_S))

    assert (200, int(200 * LONG_S * 1e9)) == (len(bench.order), bench.turns.shares.used[HOG])


async def test_while_little_is_to_be_done_nobody_waits() -> None:
    """Requests that take no time to speak of are decoded as they come."""
    bench = Bench()
    tasks = bench.many(HOG, 50, QUANTUM_S / 100)
    await asyncio.sleep(0)

    assert [HOG] * 50 == bench.order
    await asyncio.gather(*tasks)


@pytest.mark.parametrize(("max_wait_s", "shed"), [(1.99, 1), (2.0, 0), (2.01, 0)])
async def test_who_waits_too_long_beside_others_is_refused(max_wait_s: float, shed: int) -> None:
    """Above the limit, not at it and below; what is refused is counted, and the other tenant is let in."""
    bench = Bench(max_wait_s)
    tasks = bench.many(HOG, 2, 1.0) + bench.many(LIGHT, 4, 1.0)
    found = await asyncio.gather(*tasks, return_exceptions=True)

    assert [None, Shed if shed else None, *[None] * 4] == [each and type(each) for each in found]
    assert (shed, 0) == (bench.turns.bound().evicted(), bench.turns.bound().used())


async def test_a_tenant_that_is_alone_is_not_refused() -> None:
    """Its requests wait for one another, and for nobody else."""
    bench = Bench(max_wait_s=0.0)
    await asyncio.gather(*bench.many(HOG, 20, LONG_S))

    assert (20, 0) == (len(bench.order), bench.turns.bound().evicted())


async def test_a_client_that_leaves_takes_no_turn() -> None:
    """The others go on."""
    bench = Bench()
    first, second, third = bench.many(HOG, 3, LONG_S)
    await asyncio.sleep(0)
    second.cancel()
    await asyncio.wait([first, second, third])

    assert ([HOG, HOG], True, 0) == (bench.order, second.cancelled(), bench.turns.bound().used())


def test_no_tenant_is_remembered_when_nobody_waits() -> None:
    """What it has used before is not held against it, and what is known does not grow."""
    shares = CpuShares()
    shares.end(HOG, 9.0, shares.begin(HOG))
    before = shares.next_of([HOG, LIGHT])
    shares.rest()

    assert (LIGHT, HOG) == (before, shares.next_of([HOG, LIGHT]))


class Slow:
    """A decoder that says that it took a second, and that a tenant which has used more waits as well."""

    turns: Turns

    def decode(self, _request: Request) -> RequestColumns:
        """Nothing is in it."""
        self.turns.end(HOG, 1.0, 0.0)
        self.turns.end(LIGHT, 99.0, 0.0)
        self.turns._queued(LIGHT)
        return RequestColumns()


async def test_the_answer_names_the_share() -> None:
    """429 with a code of its own, and counted under it."""
    seconds = itertools.count(step=10)
    decoder = Slow()
    decoder.turns = Turns(2.0, 9, lambda: float(next(seconds)))
    protocol = ProtocolRoute(("points",), decoder, Dialect(), "")
    made, counts = route(
        FakeLog(), FakeGrants(), ConcurrencyLimits(9, 10**6), protocol=protocol, turns=decoder.turns
    )

    answers = await asyncio.gather(*(post(made, [GOOD, b""]) for _ in range(2)))

    assert [(422, "", None), (429, "cpu_share", None)] == list(map(said, answers))
    assert {"cpu_share": 1} == counts.counters.refused
