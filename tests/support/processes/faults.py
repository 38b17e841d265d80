"""The faults of a run of chaos: which process is killed or frozen, when and for how long. Spans are seconds.

Invariant: the same seed and length give the same faults, so that a failed run can be repeated; and a process has no
second fault while one lasts.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass

SERVERS = ("kafka", "postgres", "redis")
SERVICES = ("aggregator-1", "aggregator-2", "gateway-1", "gateway-2")

MEAN_PAUSE_S = 4.0
"""Mean time between two faults, whatever they hit."""

KILLED_S = (0.2, 4.0)
"""How long one stays away that was killed, before it is started again: least and most."""

FROZEN_S = (0.5, 14.0)
"""How long one stands still: from a hiccup to beyond the session, so that others take over."""

RECOVERY_S = 5.0
"""How long one is left alone after a fault, so that a fault hits it at work as well as at its start."""

SERVER_FROZEN_S = (0.5, 7.0)
"""The same for servers: longer than any call to them may take."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One process that is killed or frozen for a while."""

    at_s: float
    """Since the begin of the run."""
    target: str
    frozen: bool
    """Stopped and continued; else killed and started again."""
    away_s: float

    def __str__(self) -> str:
        return f"{self.at_s:6.1f} s  {self.target} {'frozen' if self.frozen else 'killed'} for {self.away_s:.1f} s"


def faults(seed: int, length_s: float) -> Sequence[Fault]:
    """The faults of a run, in order; all are over when it ends."""
    chance = random.Random(seed)
    drawn: list[Fault] = []
    free_s = dict.fromkeys((*SERVICES, *SERVERS), 0.0)
    at_s = chance.expovariate(1 / MEAN_PAUSE_S)
    while at_s < length_s:
        # A server has half as many faults: while it is away, no other fault can show.
        target = chance.choice(2 * SERVICES + SERVERS)
        frozen = chance.random() < 0.5
        span = (SERVER_FROZEN_S if target in SERVERS else FROZEN_S) if frozen else KILLED_S
        away_s = min(chance.uniform(*span), length_s - at_s)
        if free_s[target] <= at_s:
            drawn.append(Fault(at_s, target, frozen, away_s))
            free_s[target] = at_s + away_s + RECOVERY_S
        at_s += chance.expovariate(1 / MEAN_PAUSE_S)
    return drawn
