"""A receiver of the test's own, and clients of it that are closed in the end."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from tests.support.http.receiver import Receiver, receiving
from tidegauge_client import Telemetry

KEY = "tg_w_secret"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """A server that takes everything unless told otherwise."""
    with receiving() as made:
        yield made


@pytest.fixture
def client(receiver: Receiver) -> Iterator[Callable[..., Telemetry]]:
    """Makes clients that repeat quickly and send only when told to, unless a test wants otherwise."""
    with ExitStack() as stack:

        def make(**settings: Any) -> Telemetry:
            chosen = {"batch_after_s": 60.0, "retry_first_s": 0.01, "retry_longest_s": 0.02} | settings
            telemetry = Telemetry(receiver.url, KEY, **chosen)
            stack.callback(telemetry.close, 0.0)
            return telemetry

        yield make
