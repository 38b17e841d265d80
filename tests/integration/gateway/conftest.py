"""Gateways on the shared servers: one for answers, one with short limits for faults."""

from collections.abc import Iterator
from uuid import uuid4

import pytest

from deploy.local.stack import Stack
from tests.support.gateway import Gateway, started


@pytest.fixture(scope="session")
def gateway(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A ready gateway that all tests of answers share."""
    made = started(
        (stack.kafka, stack.postgres, stack.redis), f"gw-{uuid4().hex[:8]}.", tmp_path_factory.mktemp("gateway"),
        body_idle_ms=500,
    )  # fmt: skip
    yield made
    made.remove()


@pytest.fixture
def impatient(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A ready gateway of the test's own that gives up early."""
    made = started(
        (stack.kafka, stack.postgres, stack.redis), f"gw-{uuid4().hex[:8]}.", tmp_path_factory.mktemp("gateway"),
        produce_deadline_ms=1500, stall_ms=300,
    )  # fmt: skip
    yield made
    made.remove()
