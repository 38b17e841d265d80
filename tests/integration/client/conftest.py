"""A receiver of the test's own, a client of it, and the frameworks of applications on the module path."""

from collections.abc import Iterator

import pytest

from tests.support.http.receiver import Receiver, receiving
from tests.support.packages import frameworks
from tidegauge_client import Telemetry


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """A server that takes everything unless told otherwise."""
    with receiving() as made:
        yield made


@pytest.fixture
def reporting(receiver: Receiver) -> Iterator[Telemetry]:
    """A client of the receiver that sends when it is told to."""
    made = Telemetry(receiver.url, "key", batch_after_s=60.0)
    yield made
    made.close(0.0)


@pytest.fixture
def _frameworks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(frameworks())
