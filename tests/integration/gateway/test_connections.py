"""How many connections an address may have, what a head may hold, and that nobody holds a connection for nothing."""

import asyncio
import json
from collections.abc import Iterator
from uuid import uuid4

import pytest

from deploy.local.stack import Stack
from tests.support.http.bare import Bare, head, opened, posted
from tests.support.http.gateway import Gateway, points, started
from tests.support.wait import until

pytestmark = pytest.mark.servers

PROXY = "127.0.0.9"
MOST = 5
GOOD = posted(json.dumps(points([8000])).encode())
FULL = (503, "too_many_connections")


@pytest.fixture(scope="module")
def narrow(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A gateway that lets five connections of an address in."""
    made = started(
        (stack.kafka, stack.postgres, stack.redis), f"gw-{uuid4().hex[:8]}.", tmp_path_factory.mktemp("narrow"),
        max_connections_per_address=MOST, max_connections=20, trusted_proxies=f"{PROXY}, 127.1.0.0/16",
    )  # fmt: skip
    yield made
    made.remove()


async def several(gateway: Gateway, address: str, count: int) -> list[Bare]:
    """So many connections of an address, each with one good request answered."""
    found = [await opened(gateway.port, address) for _ in range(count)]
    for each in found:
        await each.send(GOOD)
        assert (202, "") == await each.answer()
    return found


async def test_an_address_has_so_many_connections_and_no_more(narrow: Gateway) -> None:
    """One below, at and above the limit; others are let in, and a closed one makes room."""
    used = 'bound_used{bound="connections_of_address"'
    mine = await several(narrow, "127.0.0.2", MOST - 1)
    assert MOST - 1 == await narrow.intake.shown(used)
    mine += await several(narrow, "127.0.0.2", 1)

    beyond = await opened(narrow.port, "127.0.0.2")
    forged = await opened(narrow.port, "127.0.0.2")
    await forged.send(head(x_forwarded_for="203.0.113.9"))
    refused = await beyond.answer(), await forged.answer()
    rest = await beyond.closed(), await forged.closed()
    other = await several(narrow, "127.0.0.3", 1)

    assert ((FULL, FULL), (b"", b"")) == (refused, rest)
    assert 2 <= await narrow.intake.shown('gateway_edge_refused_total{code="too_many_connections"')
    mine.pop().close()

    async def has_room() -> bool:
        return await narrow.intake.shown(used) == MOST - 1

    await until(has_room, "the closed one is forgotten")
    for each in (*mine, *await several(narrow, "127.0.0.2", 1), *other):
        each.close()


async def test_behind_a_trusted_proxy_the_address_that_it_names_counts(narrow: Gateway) -> None:
    """Its own connections count for nobody; a client has as many requests under way as it may have connections."""
    stalled = [await opened(narrow.port, PROXY) for _ in range(MOST)]
    for each in stalled:
        await each.send(head(length=100, x_forwarded_for="198.51.100.1, 203.0.113.1"), b"{")

    async def under_way() -> bool:
        return await narrow.intake.shown("gateway_open_requests") == MOST

    await until(under_way, "five requests are under way")
    answers = []
    for named in ("203.0.113.1", "10.0.0.1, 203.0.113.1", "203.0.113.1, 127.1.2.3", "203.0.113.2", ""):
        one = await opened(narrow.port, PROXY)
        await one.send(
            posted(GOOD.rpartition(b"\r\n\r\n")[2], **({"x_forwarded_for": named} if named else {}))
        )
        answers.append(await one.answer())
        one.close()
    for each in stalled:
        each.close()

    assert [FULL, FULL, FULL, (202, ""), (202, "")] == answers


async def test_all_addresses_together_have_so_many(narrow: Gateway) -> None:
    """Whoever comes beyond is told so, and room is there again when they leave."""
    crowd = [each for at in range(4) for each in await several(narrow, f"127.0.1.{at + 1}", MOST)]

    beyond = await opened(narrow.port, "127.0.1.9")
    answer = await beyond.answer()
    for each in (*crowd, beyond):
        each.close()

    async def is_open() -> bool:
        return await narrow.intake.shown('bound_used{bound="connections",') == 0

    await until(is_open, "all are gone")
    (after,) = await several(narrow, "127.0.1.9", 1)
    after.close()
    assert FULL == answer


@pytest.mark.parametrize(
    "bytes_",
    [
        pytest.param([GOOD, b"\r\n"], id="an empty line"),
        pytest.param([posted(b"{}", "/nowhere"), b"\r\n", b"\r\n"], id="empty lines"),
        pytest.param([head("/nowhere", length=1000), b"{", b"{"], id="a body that nobody waits for"),
        pytest.param([head("/nowhere", transfer_encoding="chunked"), b"1\r\n{\r\n"], id="chunks"),
        pytest.param([head(key="none", length=1 << 20), b"{"], id="a body that was refused"),
        pytest.param([head(key="none", length=1 << 30), b"{"], id="a large one"),
        pytest.param([head("/docs", method="GET", length=10), b"{"], id="a body of a GET"),
        pytest.param([GOOD, b"POST /v1"], id="half a head"),
    ],
)
async def test_what_is_sent_after_an_answer_holds_no_connection(
    gateway: Gateway, bytes_: list[bytes]
) -> None:
    """One that rests stays for 75 s; one that owes the rest of something ends when a head would."""
    one = await opened(gateway.port)
    await one.send(bytes_[0])
    await one.answer()
    await one.send(*bytes_[1:])

    assert b"" == await one.closed()


async def test_a_body_that_comes_late_to_its_answer_leaves_a_good_connection(gateway: Gateway) -> None:
    """The next request is answered, also after longer than a head may take."""
    one = await opened(gateway.port)
    await one.send(head("/nowhere", length=4))
    first = await one.answer()
    await one.send(b"{", b"  }")
    # Longer than the 0.5 s of this gateway: that nothing happens can only be waited for.
    await asyncio.sleep(0.8)
    await one.send(GOOD)
    second = await one.answer()
    one.close()

    assert [(404, "not_found"), (202, "")] == [first, second]


BODY = GOOD.rpartition(b"\r\n\r\n")[2]
HEADERS = {f"x-filler-{at}": "1" for at in range(96)}
"""With host, type, key and length a hundred."""

MORE = {f"x-more-{at}": "" for at in range(100)}


def sized(size: int) -> bytes:
    """A request whose target, names and values have so many bytes."""
    bare = posted(BODY, x_filler="")
    lines = bare.partition(b"\r\n\r\n")[0].split(b"\r\n")
    used = len("/v1/telemetry") + sum(len(line.replace(b": ", b"")) for line in lines[1:])
    return posted(BODY, x_filler="f" * (size - used))


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        pytest.param(posted(BODY, **dict(list(HEADERS.items())[1:])), (202, ""), id="99 headers"),
        pytest.param(posted(BODY, **HEADERS), (202, ""), id="100 headers"),
        pytest.param(posted(BODY, **HEADERS, more="1"), (431, "too_many_headers"), id="101 headers"),
        pytest.param(posted(BODY, **HEADERS, **MORE), (431, "too_many_headers"), id="200"),
        pytest.param(sized((16 << 10) - 1), (202, ""), id="a byte below 16 KiB"),
        pytest.param(sized(16 << 10), (202, ""), id="16 KiB"),
        pytest.param(sized((16 << 10) + 1), (431, "headers_too_large"), id="a byte above"),
        pytest.param(sized(1 << 20), (431, "headers_too_large"), id="1 MiB"),
        pytest.param(posted(BODY, "/v1/telemetry?" + "q" * (8192 - 15)), (202, ""), id="a target below 8 KiB"),
        pytest.param(posted(BODY, "/v1/telemetry?" + "q" * (8192 - 14)), (202, ""), id="8 KiB"),
        pytest.param(posted(BODY, "/v1/telemetry?" + "q" * (8192 - 13)), (414, "target_too_long"), id="a byte more"),
        pytest.param(posted(BODY, "/v1/telemetry?" + "q" * (64 << 10)), (414, "target_too_long"), id="64 KiB"),
    ],
)  # fmt: skip
async def test_a_head_is_answered_within_its_limits(
    gateway: Gateway, request_: bytes, expected: tuple[int, str]
) -> None:
    """Below, at and above each; what is refused is named, and the connection ends."""
    one = await opened(gateway.port)
    await one.send(request_)

    assert expected == await one.answer()
    if expected[0] != 202:
        assert b"" == await one.closed()
    one.close()


async def test_a_thousand_pipelined_requests_are_answered_in_order(gateway: Gateway) -> None:
    """However their bytes are cut; another client is served meanwhile."""
    one = await opened(gateway.port)
    requests = [posted(BODY, key="write" if at % 2 else "none") for at in range(1000)]
    sending = asyncio.create_task(one.send(b"".join(requests)))

    other = await gateway.post(points([8001]))
    answers = [(await one.answer())[0] for _ in requests]
    await sending
    one.close()

    assert ([401, 202] * 500, 202) == (answers, other.status_code)
