"""What logs say of what is normal."""

import logging

import pytest
from aiokafka.errors import GroupCoordinatorNotAvailableError, GroupLoadInProgressError, KafkaError

from shared.runtime.logging import COORDINATOR, _no_error_at_a_first_start


@pytest.mark.parametrize(
    ("error", "level"),
    [(GroupCoordinatorNotAvailableError(), "INFO"), (GroupLoadInProgressError(), "ERROR")],
    ids=lambda one: type(one).__name__ if isinstance(one, KafkaError) else one,
)
def test_a_group_without_a_coordinator_at_its_first_start_is_no_error(error: KafkaError, level: str) -> None:
    """The broker makes one for it, and the client asks again. Source: faults.md, at nearly each first start."""
    said = "Group Coordinator Request failed: %s"
    record = logging.LogRecord(COORDINATOR, logging.ERROR, __file__, 1, said, (error,), None)

    assert (True, level) == (_no_error_at_a_first_start(record), record.levelname)
