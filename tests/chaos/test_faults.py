"""The faults of a run of chaos follow from its seed."""

from itertools import pairwise

import pytest

from tests.support.processes.faults import RECOVERY_S, SERVERS, SERVICES, faults

LENGTH_S = 120.0


def test_the_same_seed_gives_the_same_strikes() -> None:
    """And another one gives others."""
    assert faults(7, LENGTH_S) == faults(7, LENGTH_S)
    assert faults(7, LENGTH_S) != faults(8, LENGTH_S)


@pytest.mark.parametrize("seed", range(20))
def test_everybody_recovers_before_the_next_strike(seed: int) -> None:
    """Within the run: every target is there again at its end."""
    planned = faults(seed, LENGTH_S)

    assert all(0 <= one.at_s and one.at_s + one.away_s <= LENGTH_S for one in planned)
    for target in (*SERVICES, *SERVERS):
        mine = [one for one in planned if one.target == target]
        assert all(one.at_s + one.away_s + RECOVERY_S <= after.at_s for one, after in pairwise(mine))


def test_everybody_is_killed_and_frozen() -> None:
    """In one run of thirty or another."""
    seen = {(one.target, one.frozen) for seed in range(1, 31) for one in faults(seed, LENGTH_S)}

    assert seen == {(target, frozen) for target in (*SERVICES, *SERVERS) for frozen in (False, True)}
