"""What a client was seen to do with an answer, as the text of a cell: how often it posted, and whom it tells of a loss.

`delivered`, `4 tries, then log`, `goes on, then report`.
"""

import re
from dataclasses import dataclass, field

MARKER = "marker_k0"
"""What the item that is reported is called: bodies that hold it are the batch."""

DELIVERED, GOES_ON = "delivered", "goes on"

MANY = 12
"""Above so many tries a client goes on for as long as it has room."""

NOTHING = "nothing"

TELLS = ("log", "callback", "report")
"""Whom a client tells: the log or console of its application, a callback, or us by a client report."""


@dataclass(frozen=True)
class Observation:
    """One batch and one answer."""

    posts: int
    tells: frozenset[str] = field(default_factory=frozenset)

    def cell(self, status: int) -> str:
        """The text of the cell."""
        tells = " and ".join(each for each in TELLS if each in self.tells)
        if 200 <= status < 300 and self.posts == 1:
            return f"{DELIVERED}, {tells}" if tells else DELIVERED
        tries = "1 try" if self.posts == 1 else GOES_ON if self.posts > MANY else f"{self.posts} tries"
        return f"{tries}, then {tells or NOTHING}"


def alike(one: str, other: str) -> bool:
    """Whether two cells say the same: pauses are drawn at random, and so is the last of several tries."""
    tries = [_tries(each) for each in (one, other)]
    if tries[0] is None or tries[1] is None or 1 in tries:
        return one == other
    return abs(tries[0] - tries[1]) <= 1 and _whom(one) == _whom(other)


def _tries(cell: str) -> int | None:
    found = re.match(r"(\d+) tr", cell)
    return int(found[1]) if found else None


def _whom(cell: str) -> str:
    return cell.partition(", ")[2]
