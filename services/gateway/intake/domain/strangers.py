"""Clients whose key nobody has, or at whose path nobody answers: counted by what they call themselves.

What they sent is lost, and some tell nobody. A name is the first word of `User-Agent` as far as it is a plain one.
Invariant: nothing else of what a client wrote is kept, and names have a limit.
"""

import re
from collections import Counter
from collections.abc import Iterable

STATUSES = frozenset({401, 404, 421})
"""What a client is answered whose key or address is wrong."""

MAX_NAMES = 100
"""Names that are told apart; all others are one."""

NAMELESS, OTHERS = "none", "others"

_NAME = re.compile(rb"[A-Za-z][A-Za-z0-9._-]{0,39}")


class Strangers:
    """How many answers of which status whom have met."""

    def __init__(self, max_names: int = MAX_NAMES) -> None:
        self.counts: Counter[tuple[int, str]] = Counter()
        """By status and name."""
        self._names: set[str] = set()
        self._max_names = max_names

    def note(self, status: int, headers: Iterable[tuple[bytes, bytes]]) -> None:
        """An answer was given to a request with these headers."""
        if status in STATUSES:
            self.counts[status, self._told_apart(name_of(headers))] += 1

    def _told_apart(self, name: str) -> str:
        if name not in self._names:
            if len(self._names) >= self._max_names:
                return OTHERS
            self._names.add(name)
        return name


def name_of(headers: Iterable[tuple[bytes, bytes]]) -> str:
    """What a client calls itself."""
    agent = next((value for name, value in headers if name == b"user-agent"), b"")
    found = _NAME.match(agent)
    return found[0].decode() if found else NAMELESS
