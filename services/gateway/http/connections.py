"""Connections at once, in all and by address, and what the edge refuses before any route sees it.

Entries. A connection counts for the address at its other end. That of a trusted proxy counts for nobody: each request
that comes through it counts, while it is under way, for the address that the proxy names.
"""

import resource
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from opentelemetry.metrics import Meter, Observation

from services.gateway.http.problems import Problem
from shared.model.bound import Bound

CODE = "too_many_connections"

RESERVED_FILES = 256
"""Files of the process that are no connections of clients: servers, logs, those of the interpreter."""

MAX_LINGERING = 128
"""Refused connections that are kept until their answer has been read; those beyond it are cut off."""


@dataclass(frozen=True, slots=True)
class ConnectionLimits:
    """What may be open at once."""

    total: int
    per_address: int


def _no_proxy(_address: str) -> bool:
    return False


class Connections:
    """What is open, by whom, and what was refused; `is_proxy` tells the addresses of trusted proxies."""

    def __init__(self, limits: ConnectionLimits, is_proxy: Callable[[str], bool] = _no_proxy) -> None:
        self.limits = limits
        self.open = 0
        """Connections that were let in, those of proxies too."""
        self.lingering = 0
        """Refused ones that are not closed yet."""
        self.refused: Counter[str] = Counter()
        """What was refused before any route saw it, by code."""
        self._is_proxy = is_proxy
        self._of: Counter[str] = Counter()
        self._at_total = self._at_address = 0

    def connect(self, address: str) -> bool:
        """Let a connection in, or say that it has no room."""
        if self.open >= self.limits.total:
            self._at_total += 1
            self.refused[CODE] += 1
            return False
        if not self._is_proxy(address) and not self.enter(address):
            return False
        self.open += 1
        return True

    def disconnect(self, address: str) -> None:
        """It is closed."""
        self.open -= 1
        if not self._is_proxy(address):
            self.leave(address)

    def enter(self, address: str) -> bool:
        """Count one more for the address, or say that it has all it may."""
        if self._of.get(address, 0) >= self.limits.per_address:
            self._at_address += 1
            self.refused[CODE] += 1
            return False
        self._of[address] += 1
        return True

    def leave(self, address: str) -> None:
        """Count one less."""
        self._of[address] -= 1
        if not self._of[address]:
            del self._of[address]

    def bounds(self) -> tuple[Bound, Bound]:
        """In all, and of the address that has the most."""
        return (
            Bound("connections", "entries", self.limits.total, lambda: self.open, lambda: self._at_total),
            Bound(
                "connections_of_address", "entries", self.limits.per_address,
                lambda: max(self._of.values(), default=0), lambda: self._at_address,
            ),
        )  # fmt: skip

    def observe(self, meter: Meter) -> None:
        """Show what was refused as an instrument."""
        meter.create_observable_counter(
            "gateway_edge_refused",
            [lambda _: [Observation(count, {"code": code}) for code, count in self.refused.items()]],
            description="Refused before any route saw it: connections and headers beyond their limits",
        )


def too_many(limits: ConnectionLimits) -> Problem:
    """The answer to a connection that finds no room; 503 is what clients of all protocols repeat."""
    message = f"connections: at most {limits.per_address} of an address at once, and {limits.total} in all"
    return Problem(503, CODE, message, 1, "not_accepted")


def within_files(limit: int) -> int:
    """So many connections, or as many as the process may have files; what it may have is raised first."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return limit if hard == resource.RLIM_INFINITY else max(1, min(limit, hard - RESERVED_FILES))
