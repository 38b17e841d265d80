"""What is wrong with a text of PromQL, and where.

Lines and columns count from 1, signs of the text from 0. Whoever asks decides how it is answered.
"""

from typing import NamedTuple


class Place(NamedTuple):
    """A place in a text, both counted from 1, as Prometheus counts."""

    line: int
    column: int


class PromqlError(Exception):
    """A text that is not read; `at` counts signs from 0, None: the text as a whole."""

    def __init__(self, message: str, at: int | None = None, place: Place | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.at = at
        self.place = place


class NotPromql(PromqlError):
    """It is not PromQL."""


class TooLong(PromqlError):
    """It is longer than any that is read."""


class TooDeep(PromqlError):
    """It is PromQL, and would be slow to read."""


class BadPattern(Exception):
    """Not a regular expression, or one that would need too much; its text says why."""
