"""The fold and commit loops in worlds that lose, delay, repeat, reorder and crash by seed.

`python -m tests.simulation` takes 20,000 seeds; these are the first of them. A seed that
fails prints how to repeat it.
"""

import os
import subprocess
import sys
from itertools import chain
from pathlib import Path

import pytest

from tests.simulation.mutants import MUTANTS
from tests.simulation.seeds import simulate

SEED = int(os.environ.get("TIDEGAUGE_SEED", "1"))
BLOCKS = 4
BLOCK = 100
"""Seeds of a test."""

FOUND_WITHIN = 800
"""Seeds after which each bug that was put in must have shown: a forgotten leader needs the most of them."""

SHOWN_BY = {"gaps twice": 369, "saved once more": 112}
"""Seeds that are tried first for a bug that few seeds show; a change of the simulation may move them."""


@pytest.mark.parametrize("block", range(BLOCKS))
def test_a_world_comes_to_rest_as_if_nothing_had_happened(block: int) -> None:
    """Tables to the bit, sums, dead letters, offsets and publications: all as one process in peace would have them."""
    first = ((SEED - 1) * BLOCKS + block) * BLOCK
    outcomes = [simulate(seed) for seed in range(first, first + BLOCK)]

    assert [] == [str(outcome) for outcome in outcomes if outcome.wrong]


@pytest.mark.parametrize("name", MUTANTS)
def test_a_bug_is_found(name: str) -> None:
    """A few seeds reveal each mutant by what it does to the tables, not by an exception."""
    seeds = chain((SHOWN_BY.get(name, 0),), range(FOUND_WITHIN))
    wrong = (line for seed in seeds for line in simulate(seed, MUTANTS[name]).wrong[:1])

    assert not next(wrong, "Traceback: nothing is wrong").startswith("Traceback")


def test_a_seed_replays_the_same_steps() -> None:
    """Step for step the same in another process, whatever order its hashes have."""
    script = "from tests.simulation.seeds import simulate; print([simulate(s).steps for s in range(6)])"
    printed = {
        subprocess.run(
            [sys.executable, "-c", script],
            cwd=Path(__file__).parents[2],
            env=os.environ | {"PYTHONHASHSEED": number},
            capture_output=True,
            check=True,
        ).stdout
        for number in ("1", "2")
    }

    assert {f"{[simulate(seed).steps for seed in range(6)]}\n".encode()} == printed
