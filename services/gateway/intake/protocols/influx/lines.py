"""Line protocol to lines: what names the series, the fields, and the time.

`measurement,tag=value field=1,other=2i 1790000000000000000`. A text in quotes may go over several lines. Sources:
docs.influxdata.com, "Line protocol reference". Invariant: the time that a body takes grows with its length and no more.
"""

import re
from collections.abc import Iterator
from typing import NamedTuple

_HEAD = re.compile(rb"(?:[^ \t\r\n\\]|\\.)++")
_FIELD = re.compile(rb'((?:[^=, \t\r\n\\]|\\.)++)=("(?:[^"\\]|\\.|\\\n)*+"|[^", \t\r\n]++)')
_GAP = re.compile(rb"[ \t]++")
_TIME = re.compile(rb"[ \t]*+(-?\d{1,19})?[ \t]*+\r?(?=\n|\Z)")
_BLANK = re.compile(rb"[ \t]*+(?:#[^\n]*+)?\r?(?=\n|\Z)")


MAX_FIELDS_OF_A_LINE = 1_000
"""Fields of one line that are looked at."""


class Line(NamedTuple):
    """One line that was read."""

    number: int
    """From 0; a line in which a text goes on counts, too."""
    series: bytes
    """Measurement and tags, as they are spelt."""
    fields: list[tuple[bytes, bytes]]
    """Key and value of each, as they are spelt."""
    time: int | None
    """In the unit of the request."""


class Unread(NamedTuple):
    """A line that cannot be read."""

    number: int
    message: str
    fields: int = 0
    """How many of its fields were looked at."""


def lines_of(body: bytes) -> Iterator[Line | Unread]:
    """The lines of a body, comments and empty ones left out."""
    at, number = 0, 0
    while at < len(body):
        blank = _BLANK.match(body, at)
        if blank:
            end = blank.end()
        else:
            read, end = _line(body, at, number)
            if isinstance(read, Unread):
                end = body.find(b"\n", at)
                end = len(body) if end < 0 else end
            yield read
        number += body.count(b"\n", at, end + 1)
        at = end + 1


def _line(body: bytes, at: int, number: int) -> tuple[Line | Unread, int]:
    """The line that begins here, and where it ends."""
    head = _HEAD.match(body, at)
    gap = _GAP.match(body, head.end()) if head else None
    if head is None or gap is None:
        return Unread(number, "measurement: must be followed by a blank and fields"), at
    fields: list[tuple[bytes, bytes]] = []
    at = gap.end()
    while True:
        field = _FIELD.match(body, at)
        if field is None:
            message = "fields: must be key=value, with commas between them and texts in quotes"
            return Unread(number, message, len(fields)), at
        fields.append((field[1], field[2]))
        if len(fields) > MAX_FIELDS_OF_A_LINE:
            return Unread(number, f"fields: at most {MAX_FIELDS_OF_A_LINE} a line", len(fields)), at
        at = field.end()
        if body[at : at + 1] != b",":
            break
        at += 1
    time = _TIME.match(body, at)
    if time is None:
        return Unread(number, "time: must be a whole number, and the last of its line"), at
    return Line(number, head[0], fields, None if time[1] is None else int(time[1])), time.end()
