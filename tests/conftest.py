"""Fixtures of all tests: one set of real servers a session."""

from collections.abc import Iterator

import pytest

from deploy.local.stack import Stack
from tests.support.stack import migrated


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Kafka, Postgres with its tables, and Redis; tests make topics under a prefix of their own."""
    with migrated(tmp_path_factory) as running:
        yield running
