"""Gateways on the shared servers: one for answers, one with short limits for faults."""

from collections.abc import Iterator
from uuid import uuid4

import pytest

from deploy.local.stack import Stack
from tests.support.http.gateway import Gateway, started
from tests.support.http.reader import Reader, reader


@pytest.fixture(scope="session")
def steady(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A ready gateway that all tests of answers share."""
    made = started(
        (stack.kafka, stack.postgres, stack.redis), f"gw-{uuid4().hex[:8]}.", tmp_path_factory.mktemp("gateway"),
        body_idle_ms=1000,
        body_total_ms=3000,
        headers_ms=1500,
        unread_ms=500,
    )  # fmt: skip
    yield made
    made.remove()


@pytest.fixture(scope="session")
def hasty(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A ready gateway that gives up early, shared by the tests of faults."""
    made = started(
        (stack.kafka, stack.postgres, stack.redis),
        f"gw-{uuid4().hex[:8]}.",
        tmp_path_factory.mktemp("gateway"),
        produce_deadline_ms=1500,
        stall_ms=300,
    )
    yield made
    made.remove()


@pytest.fixture
async def gateway(steady: Gateway) -> Gateway:
    """The shared gateway, ready again whatever the test before did to the servers."""
    await steady.answers()
    await steady.takes()
    return steady


@pytest.fixture
async def mine(stack: Stack, gateway: Gateway) -> Reader:
    """A tenant that asks."""
    return await reader(stack.postgres, gateway)


@pytest.fixture
async def foreign(stack: Stack, gateway: Gateway) -> Reader:
    """A tenant whose rows nobody else may see."""
    return await reader(stack.postgres, gateway)


@pytest.fixture
async def impatient(hasty: Gateway) -> Gateway:
    """The shared gateway with short limits, ready again."""
    await hasty.answers()
    await hasty.takes()
    return hasty


@pytest.fixture
def leaving(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A ready gateway of the test's own."""
    addresses = (stack.kafka, stack.postgres, stack.redis)
    made = started(addresses, f"gw-{uuid4().hex[:8]}.", tmp_path_factory.mktemp("gateway"))
    yield made
    made.remove()
