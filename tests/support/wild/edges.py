"""Values around the edges of what is taken, drawn by a source of chance; times are milliseconds UTC.

Most draws are plain, so that most items of a body can be taken and its odd ones stand among good neighbours.
"""

import json
import math
import re
from collections.abc import Callable, Mapping, Sequence
from random import Random
from typing import Any

from shared.model.point import MAX_MAGNITUDE, MAX_WEIGHT
from shared.model.window import BASE_MS, MAX_AHEAD_MS, MAX_LATE_MS

MARK = "\ue000"
"""Begins and ends a literal that goes into a JSON text as it is."""

PLANES = "aé\u0950日\ufffd\U0001f600\U00010348\U00020000\U0003134a\U000e0101\U000f0000\U0010ffff"
"""Characters of one to four bytes, from every plane that has any."""

ODD = (
    "", " ", "\0", "\n", "\t", "\x7f", "\x9f", "\u2028", "\u202e", "\u2066", "\ufeff", "\ud83d", "\udc00", "\\u0000",
    '"', "\\", "'", "a,b=c d", "a|b:c#d@e", "=1+1", "{{7*7}}", "NaN", "null", "true", "-0", "1e999", "tenant", "le",
    "tenant_id", "__name__", "__x", "exported_tenant", "$ref", "e\u0301",
    "ann@example.com", "4111 1111 1111 1111", "+1 415 555 2671", "203.0.113.7", "Bearer abcdefgh12345678", "password",
    "https://ann:secret@shop.example/a?token=x#y", "/home/ann/x.py", "2001:db8::7",
)  # fmt: skip
"""Texts that mean something to somebody, or tell of a person."""

FLOATS = (
    0.0, -0.0, 5e-324, -5e-324, 2.2250738585072009e-308, 2.2250738585072014e-308, 1e-300, 0.1, -1.5, 1 / 3, 255.0,
    2.0**53, 2.0**53 + 2, 2.0**63, -(2.0**63), 2.0**64, MAX_MAGNITUDE, -MAX_MAGNITUDE,
    math.nextafter(MAX_MAGNITUDE, math.inf), 1e308, -1.7976931348623157e308, math.inf, -math.inf, math.nan,
)  # fmt: skip
WHOLE = (
    0,
    1,
    -1,
    2**31,
    2**53,
    2**53 + 1,
    2**63 - 1,
    2**63,
    -(2**63),
    -(2**63) - 1,
    2**64 - 1,
    2**64,
    10**100,
)
LITERALS = (
    "1e999",
    "-1e999",
    "-0",
    "-0.0",
    "1E2",
    "1e-400",
    "0.1000000000000000055511151231257827",
    "1.0",
    "9" * 400,
)
"""Numbers as a JSON text may write them."""

_LITERAL = re.compile(f'"{MARK}([^"]*){MARK}"')


def often(chance: Random, share: float = 0.8) -> bool:
    """True for this share of draws."""
    return chance.random() < share


def number(chance: Random, plain: float = 0.75) -> Any:
    """A number, most often a plain one."""
    if often(chance, plain):
        return chance.choice((round(chance.uniform(-1000, 1000), 3), chance.randint(-9, 999)))
    return chance.choice((*FLOATS, *WHOLE, *(MARK + each + MARK for each in LITERALS)))


def floating(chance: Random, plain: float = 0.75) -> float:
    """A 64-bit number."""
    return round(chance.uniform(-1000, 1000), 3) if often(chance, plain) else chance.choice(FLOATS)


def weight(chance: Random) -> Any:
    """A weight, or a number that may be none."""
    return chance.choice(
        (1, 2, 0.5, -1, 0, 1e-12, MAX_WEIGHT, -MAX_WEIGHT, MAX_WEIGHT * 1.001, math.nan, 10**400)
    )


def share(chance: Random) -> Any:
    """A share of a whole, or a number that may be none."""
    return chance.choice((1, 0.5, 0.1, 1 / 3, 1e-12, 9e-13, 0, 1.0000001, -0.5, math.inf))


def sized(chance: Random, limit: int) -> str:
    """A text just below, at or above a limit, of characters of one to four bytes."""
    size = limit + chance.choice((-1, 0, 0, 1))
    return chance.choice(PLANES) * max(0, chance.choice((size, size // 2, size // 4 + 1)))


def text(chance: Random, limit: int, plain: Sequence[str] = ("a", "b.c", "d_e"), share: float = 0.75) -> str:
    """A text for a field of at most so many characters or bytes."""
    if often(chance, share):
        return chance.choice(plain)
    return sized(chance, limit) if often(chance, 0.4) else chance.choice((*ODD, *PLANES))


def labels(chance: Random, value: Callable[[Random], Any] | None = None) -> dict[str, Any]:
    """Labels, now and then as many as there may be, or one more."""
    if often(chance, 0.03):
        return {f"l{at}": "v" for at in range(chance.choice((29, 30, 31)))}
    made = value or (lambda source: text(source, 256, ("x", "y"), 0.9))
    return {
        text(chance, 64, ("host", "app.kubernetes.io/name", "é"), 0.95): made(chance)
        for _ in range(chance.choice((0, 0, 1, 2)))
    }


def time_ms(chance: Random, now_ms: int, plain: float = 0.7) -> int:
    """A time around the edges of acceptance and of windows."""
    if often(chance, plain):
        return now_ms - chance.randint(0, 5_000)
    edge = chance.choice(
        (
            now_ms,
            now_ms + MAX_AHEAD_MS,
            now_ms - MAX_LATE_MS,
            now_ms - now_ms % BASE_MS,
            0,
            now_ms // 1000,
            now_ms * 1000,
        )
    )
    return edge + chance.choice((-1, 0, 0, 1))


def json_time(chance: Random, now_ms: int) -> Any:
    """A time as a JSON body may say it."""
    if often(chance, 0.75):
        return time_ms(chance, now_ms)
    near = now_ms - 1000
    return chance.choice(
        (
            None, near + 0.25, float(near), 1e300, -1e300, 2**63, -(2**63), 2**64, 10**30, math.nan, True, "", "now",
            [], str(near), "2026-01-01T00:00:00Z", "2026-01-01", "2026-01-01T00:00:00", "9999-12-31T23:59:59-12:00",
            "0001-01-01T00:00:00+14:00", "2026-06-30T23:59:60Z", "2026-01-01T00:00:00.123456789Z", {"seconds": 1},
            f"{MARK}{near}e0{MARK}", f"{MARK}{near}.999999999{MARK}",
        )
    )  # fmt: skip


def anything(chance: Random, depth: int = 0) -> Any:
    """A value of any type."""
    kind = chance.randrange(8 if depth < 3 else 6)
    if kind == 6:
        return [anything(chance, depth + 1) for _ in range(chance.randint(0, 3))]
    if kind == 7:
        return {text(chance, 20): anything(chance, depth + 1) for _ in range(chance.randint(0, 3))}
    return (None, True, False, number(chance), text(chance, 40), number(chance, 0.2))[kind]


def properties(chance: Random) -> Any:
    """The body of an event: an object, now and then too deep, too large or none."""
    if often(chance, 0.9):
        return {text(chance, 20): anything(chance) for _ in range(chance.randint(0, 3))}
    deep: Any = {}
    for _ in range(chance.choice((17, 18, 19, 20))):
        deep = {"a": deep}
    large = {"text": "x" * (32 * 1024 + chance.choice((-13, -12, -11, -10)))}
    return chance.choice((deep, large, None, [], "text", 5, {"n": 10**400}, {"n": 1e-320}))


def fields(
    chance: Random, makers: Mapping[str, Callable[[Random], Any]], odd: float = 0.04, absent: float = 0.4
) -> dict[str, Any]:
    """Each of these fields: absent, made, null, or of a type that may be wrong."""
    found: dict[str, Any] = {}
    for name, make in makers.items():
        draw = chance.random()
        if draw < absent:
            continue
        if draw > 1 - odd:
            found[name] = anything(chance)
        else:
            found[name] = None if draw > 1 - odd - 0.02 else make(chance)
    return found


def written(value: Any) -> bytes:
    """A JSON text, with NaN, infinities and halves of characters as JavaScript's and Python's writers leave them."""
    plain = json.dumps(value, separators=(",", ":"), ensure_ascii=False)
    try:
        if len(plain) % 2:
            return _LITERAL.sub(r"\1", plain).encode()
    except UnicodeEncodeError:
        pass
    escaped = json.dumps(value, separators=(",", ":")).replace("\\ue000", MARK)
    return _LITERAL.sub(r"\1", escaped).encode()


def items(chance: Random, make: Callable[[], Any]) -> list[Any]:
    """The items of a body; now and then one of them comes twice, or there is none."""
    found = [make() for _ in range(chance.choice((1, 1, 2, 3, 5, 8, 20)) * often(chance, 0.98))]
    if found and often(chance, 0.1):
        found.append(found[0])
    return found
