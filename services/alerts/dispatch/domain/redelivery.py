"""When a notification is tried again, and when it is given up.

Spans are seconds.
"""

GIVE_UP_S = 24 * 3600.0
"""Age from which on a failed attempt is the last one."""

REFUSED_S = 15 * 60.0
"""How long a receiver may go on refusing before a failed attempt is the last one."""

FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.5, 60.0
"""Pause before another attempt: doubled each time up to the longest, each up to a quarter shorter or longer."""


def pause_s(attempts: int) -> float:
    """The pause after so many attempts, before chance is added."""
    return float(min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2 ** min(attempts - 1, 10)))
