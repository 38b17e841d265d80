"""Instants at the border to Postgres: what goes in comes out, to the millisecond."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.postgres.copying import microseconds, milliseconds
from shared.postgres.instants import at, ms_of

YEAR_9999_MS = 253_402_300_799_999


@given(st.integers(0, YEAR_9999_MS))
def test_an_instant_comes_back_to_the_millisecond(ms: int) -> None:
    """No instant is rounded on its way through `datetime`."""
    assert ms_of(at(ms)) == ms


def test_what_lies_between_two_milliseconds_belongs_to_the_earlier() -> None:
    """Also before 1970, where truncation would give the later."""
    instant = datetime(1969, 12, 31, 23, 59, 59, 999_500, tzinfo=UTC)

    assert ms_of(instant) == -1


@pytest.mark.parametrize("ms", [0, 946_684_800_000, 946_684_799_999, YEAR_9999_MS])
def test_a_copied_instant_counts_from_the_year_2000(ms: int) -> None:
    """In columns as in single values, and back again."""
    since = at(ms) - datetime(2000, 1, 1, tzinfo=UTC)

    assert microseconds(ms) == since // timedelta(microseconds=1)
    assert milliseconds(microseconds(np.array([ms]))).tolist() == [ms]
