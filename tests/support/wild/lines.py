"""Lines of InfluxDB's protocol and of StatsD. Lines are numbered from 0, empty ones too."""

from random import Random

from services.gateway.intake.protocols import registry
from tests.support.wild import edges
from tests.support.wild.wild_body import WildBody

UNITS = {"ns": 1_000_000, "us": 1_000, "ms": 1, "s": 0.001}
_INFLUX_VALUES = (
    "1", "-1.5", "+2.", ".5", "1e3", "1E-400", "1e400", "5i", "7u", "-3i", "9223372036854775807i",
    "18446744073709551616u", "t", "False", '"text"', '"a \\" b, c=d"', "NaN", "inf", "-0", "0x10", "1_000", '"open',
)  # fmt: skip
_STATSD_VALUES = (
    "1",
    "-1.5",
    "+2",
    "1e3",
    "1e400",
    "1:2:3",
    "nan",
    "",
    "x",
    "5e-324",
    "1e100",
    "1.1e100",
    "-0",
)
_BREAKS = str.maketrans("", "", "\n\r\ud83d\udc00")


def influx(chance: Random, now_ms: int) -> WildBody:
    """`POST /api/v2/write`."""
    unit = chance.choice(tuple(UNITS))
    lines = [_influx_line(chance, now_ms, UNITS[unit]) for _ in range(chance.choice((1, 2, 5, 20)))]
    # Within an open text a line break is a part of it: its line goes on, and those behind it are no lines.
    silent = range(len(lines)) if any('"open' in line for line in lines) else _blank(lines, "#")
    body = "\n".join(lines).encode()
    query = b"precision=" + unit.encode()
    return WildBody(registry.INFLUX[0], body, len(lines), silent, b"text/plain", query=query)


def statsd(chance: Random, now_ms: int) -> WildBody:
    """`POST /v1/statsd`."""
    lines = [_statsd_line(chance, now_ms) for _ in range(chance.choice((1, 2, 5, 20)))]
    return WildBody(registry.STATSD, "\n".join(lines).encode(), len(lines), _blank(lines), b"text/plain")


def _blank(lines: list[str], comment: str = "") -> list[int]:
    """The lines that say nothing: empty ones, and comments."""
    return [
        at
        for at, line in enumerate(lines)
        if not line.strip(" \t\r\n") or (comment and line.lstrip(" \t").startswith(comment))
    ]


def _text(chance: Random, limit: int, *plain: str) -> str:
    """A text without a line break; a body of lines is UTF-8."""
    return edges.text(chance, limit, plain or ("a",), 0.9).translate(_BREAKS)


def _influx_line(chance: Random, now_ms: int, per_ms: float) -> str:
    if edges.often(chance, 0.05):
        return chance.choice(
            ("", "# said", " ", "m", "m ", "m f", "m f=", "m f=1 x", "m,=1 f=1", ",a=b f=1", "m f=1,,g=2")
        )
    tags = "".join(
        f",{_text(chance, 64, 'host', 'tag')}={_text(chance, 256, 'a', 'b')}"
        for _ in range(chance.choice((0, 0, 1, 2, 3)))
    )
    fields = ",".join(
        f"{_text(chance, 100, 'value', 'f', 'g')}={_influx_value(chance)}"
        for _ in range(chance.choice((1, 1, 2, 5)))
    )
    time = "" if edges.often(chance, 0.2) else f" {int(edges.time_ms(chance, now_ms) * per_ms)}"
    if edges.often(chance, 0.03):
        time = chance.choice(
            (" 9223372036854775807", " -9223372036854775808", " 99999999999999999999", " 1.5", " now")
        )
    return f"{_text(chance, 150, 'm', 'cpu')}{tags} {fields}{time}"


def _influx_value(chance: Random) -> str:
    return str(chance.randint(0, 99)) if edges.often(chance, 0.7) else chance.choice(_INFLUX_VALUES)


def _statsd_line(chance: Random, now_ms: int) -> str:
    if edges.often(chance, 0.05):
        return chance.choice(
            (
                "",
                " ",
                "a",
                "a:1",
                "a:1|",
                "a|c",
                ":1|c",
                "a:1|q",
                "_e{1,1}:a|b",
                "_sc|a|0",
                "a:1|c|@",
                "a:1|c|#",
            )
        )
    value = str(chance.randint(0, 99)) if edges.often(chance, 0.7) else chance.choice(_STATSD_VALUES)
    kind = chance.choice(("c", "ms", "h", "d", "g", "s"))
    if kind == "s":
        value = _text(chance, 1024, "u1", "u2")
    line = f"{_text(chance, 200, 'a.b', 'page')}:{value}|{kind}"
    if edges.often(chance, 0.3):
        line += "|@" + chance.choice(("1", "0.5", "0.1", "1e-12", "9e-13", "0", "1.1", "x"))
    if edges.often(chance, 0.3):
        line += "|#" + ",".join(
            f"{_text(chance, 64, 'k', 'host')}:{_text(chance, 256, 'v')}"
            for _ in range(chance.choice((1, 2, 31)))
        )
    if edges.often(chance, 0.3):
        line += f"|T{edges.time_ms(chance, now_ms) // 1000}"
    return line + chance.choice(("", "", "|c:abc", "|e:x"))
