"""Simulate many seeds on all cores: `python -m tests.simulation --seeds 20000`, or one with its log: `--seed 17`."""

import argparse
import os
import sys
from concurrent.futures import ProcessPoolExecutor

from shared.runtime.clock import monotonic_s
from tests.simulation.seeds import Outcome, simulate

BLOCK = 100
"""Seeds that a process takes at once."""


def say(*lines: object) -> None:
    """Print lines at once."""
    sys.stdout.writelines(f"{line}\n" for line in lines)
    sys.stdout.flush()


def failures(first: int) -> list[Outcome]:
    """The worlds of a block of seeds that went wrong."""
    return [outcome for seed in range(first, first + BLOCK) if (outcome := simulate(seed)).wrong]


def many(first: int, seeds: int) -> int:
    """Simulate so many seeds; how many went wrong."""
    began_s, wrong = monotonic_s(), 0
    with ProcessPoolExecutor() as pool:
        for done, found in enumerate(pool.map(failures, range(first, first + seeds, BLOCK)), 1):
            wrong += len(found)
            say(*found)
            if done % 10 == 0 or found:
                say(f"  {done * BLOCK} seeds, {wrong} wrong, {monotonic_s() - began_s:.0f} s")
    say(f"{seeds} seeds, {wrong} wrong, {monotonic_s() - began_s:.1f} s on {os.cpu_count()} cores")
    return wrong


def one(seed: int) -> int:
    """Simulate one seed and show what its workers logged."""
    outcome = simulate(seed)
    say(*outcome.log, outcome, f"{outcome.steps} steps, {len(outcome.wrong)} wrong")
    return len(outcome.wrong)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--seeds", type=int, default=20_000, help="how many seeds, in hundreds")
    parser.add_argument("--first", type=int, default=0, help="the first of them")
    parser.add_argument("--seed", type=int, help="this one only, with its log")
    given = parser.parse_args()
    sys.exit(bool(many(given.first, given.seeds) if given.seed is None else one(given.seed)))
