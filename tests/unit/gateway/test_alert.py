"""Which alerts are asked for."""

import pytest

from services.gateway.query.resources.alerts.alert import states_of
from shared.errors import Rejected


@pytest.mark.parametrize("names", [["open"], ["firing", ""], ["Firing"]])
def test_a_state_that_is_none_is_refused(names: list[str]) -> None:
    """The answer lists those that there are."""
    with pytest.raises(Rejected, match="invalid_state: state: must be one of pending, firing, resolved"):
        states_of(names)


def test_a_state_counts_once() -> None:
    """However often it is given."""
    assert ("resolved", "firing") == states_of(["resolved", "firing", "resolved"])
