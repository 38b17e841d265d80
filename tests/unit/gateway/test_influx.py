"""Line protocol becomes gauges of ours; a line or field that cannot be one is refused by the number of its line."""

from typing import Any

import pytest

from services.gateway.intake.columns.admit_points import AdmittedPoints, PointAdmission
from services.gateway.intake.columns.contract import Request
from services.gateway.intake.protocols.influx.decode import InfluxLines
from shared.errors import Rejected
from shared.wire.series import unpack

NOW = 1_790_000_000_000
NS = 1_790_000_000_000_000_000


def admitted(body: str, query: bytes = b"") -> AdmittedPoints:
    """What enters of a body."""
    decoded = InfluxLines().decode(Request(body.encode(), [], query, 1, NOW))
    return PointAdmission(1000).admit(decoded, 1, NOW)


def rows_of(found: AdmittedPoints) -> list[tuple[str, dict[str, str], float]]:
    """Name, labels and value of each point."""
    every = [unpack(found.catalogue.packed[slot]) for slot in found.points.slot.tolist()]
    return [
        (one.metric, dict(one.labels), value)
        for one, value in zip(every, found.points.value.tolist(), strict=True)
    ]


def refusals_of(found: AdmittedPoints) -> list[tuple[int, str]]:
    """Line and code of each refusal."""
    return [(bad.index, bad.code) for bad in found.rejected]


@pytest.mark.parametrize(
    ("line", "rows"),
    [
        ("cpu,host=a idle=1.5,user=2i,on=true", [
            ("cpu_idle", {"host": "a"}, 1.5), ("cpu_user", {"host": "a"}, 2.0), ("cpu_on", {"host": "a"}, 1.0),
        ]),
        ("weather value=-8.2e1", [("weather", {}, -82.0)]),
        (r"a\ b,c\,d=e\=f,g=h\ i j\ k=1u", [("a b_j k", {"c,d": "e=f", "g": "h i"}, 1.0)]),
        ('m,t="q" a="x, y=1 \\" z",b=f', [("m_b", {"t": '"q"'}, 0.0)]),
        ('m a="two\nlines",b=1', [("m_b", {}, 1.0)]),
        ("m,tenant=a,host= v=1", [("m_v", {"exported_tenant": "a"}, 1.0)]),
        ("m,tenant=a,le=5 v=1", [("m_v", {"exported_tenant": "a", "le": "5"}, 1.0)]),
        ("# a comment\n\n  \nm v=1\r\n", [("m_v", {}, 1.0)]),
    ],
    ids=["types", "value alone", "escapes", "texts", "a text of two lines", "an empty tag", "renamed", "comments"],
)  # fmt: skip
def test_each_field_that_is_a_number_is_a_point(line: str, rows: list[Any]) -> None:
    """Of the metric `measurement_field`, or `measurement` where the field is called `value`."""
    assert rows == rows_of(admitted(line))


@pytest.mark.parametrize(
    ("query", "time"),
    [(b"", NS), (b"precision=ns", NS), (b"precision=us", NS // 10**3), (b"db=x&precision=u", NS // 10**3),
     (b"precision=ms", NOW), (b"precision=s", NOW // 1000), (b"precision=n", NS)],
)  # fmt: skip
def test_times_come_in_the_unit_of_the_query(query: bytes, time: int) -> None:
    """Nanoseconds where it names none."""
    found = admitted(f"m v=1 {time}", query)

    assert ([NOW], True) == (found.points.ts_ms.tolist(), found.timed)


def test_a_line_without_a_time_is_of_the_receive_time() -> None:
    """So that the same body posted again is not the same points."""
    found = admitted("m v=1")

    assert ([NOW], False) == (found.points.ts_ms.tolist(), found.timed)


def test_a_bad_line_harms_no_other() -> None:
    """Each is refused by its number, and texts are left out."""
    found = admitted(
        f'bad\nm v=1 {NS}\nm v= {NS}\nm v=abc {NS}\nm v="open {NS}\n,t=1 v=1 {NS}\nm,t v=1 {NS}\nm v=1 12\n'
        f'm s="x",v=2 {NS}\nm v=1, w=2 {NS}\nm v=1 {NS} x\nm v=1e999 {NS}'
    )

    assert [1.0, 2.0] == found.points.value.tolist()
    assert [
        (0, "malformed_line"), (2, "malformed_line"), (3, "invalid_value"), (4, "malformed_line"), (5, "invalid_name"),
        (6, "invalid_labels"), (7, "ts_too_old"), (8, "text_field"), (9, "malformed_line"), (10, "malformed_line"),
        (11, "value_out_of_range"),
    ] == refusals_of(found)  # fmt: skip


def test_a_precision_that_is_not_known_is_refused() -> None:
    """Rather than read as another."""
    with pytest.raises(Rejected) as refusal:
        admitted("m v=1", b"precision=days")

    assert "invalid_precision" == refusal.value.code


def test_more_fields_than_the_limit_are_refused_whole() -> None:
    """At the limit all are taken."""
    at = InfluxLines(2)
    assert at.decode(Request(b"m a=1,b=2", [], b"", 1, NOW)).points is not None
    with pytest.raises(Rejected) as refusal:
        at.decode(Request(b"m a=1,b=2\nm a=1", [], b"", 1, NOW))

    assert "too_many_points" == refusal.value.code
