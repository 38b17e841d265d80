"""One seed after the other: what is wrong with its world, and how to see it again."""

import traceback
from dataclasses import dataclass
from typing import Any

from structlog.testing import capture_logs

from tests.simulation.judgement import judge
from tests.simulation.sums import Sums
from tests.simulation.windows import Windows
from tests.simulation.world import Parts, World

SERVICES = (Sums, Windows)
"""Seeds take them by turns: the aggregator, and a service that costs a quarter of it."""

LINE = 400
"""Characters shown of what is wrong."""

REPEAT = "python -m tests.simulation --seed {seed}"


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a world ended."""

    seed: int
    wrong: list[str]
    """Empty: all is as it should be."""
    log: list[Any]
    """What the workers logged."""
    steps: int

    def __str__(self) -> str:
        lines = [
            f"seed {self.seed}; again: {REPEAT.format(seed=self.seed)}",
            *(line[:LINE] for line in self.wrong[:10]),
        ]
        return "\n  ".join(lines)


def simulate(seed: int, parts: Parts | None = None) -> Outcome:
    """Let the world of this seed happen, and judge it."""
    world = World(seed, parts or Parts(SERVICES[seed % len(SERVICES)]()))
    with capture_logs() as log:
        try:
            world.run()
            wrong = judge(world)
        except Exception as problem:  # noqa: BLE001 # whatever it is, it belongs to this seed
            wrong = traceback.format_exception(problem)
    return Outcome(seed, wrong, log, world.loop.steps)
