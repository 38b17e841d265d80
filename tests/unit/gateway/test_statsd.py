"""StatsD lines become points of ours; a line that cannot be one is refused by its number."""

from typing import Any

import pytest

from services.gateway.intake.columns.admit_points import AdmittedPoints, PointAdmission
from services.gateway.intake.columns.contract import Request
from services.gateway.intake.protocols.statsd.decode import StatsdLines
from services.gateway.intake.protocols.statsd.lines import Sample
from services.gateway.intake.protocols.statsd.map import LastGauges
from shared.errors import Rejected
from shared.wire.series import unpack

NOW = 1_790_000_000_000


def admitted(body: str, decoder: StatsdLines | None = None, tenant_id: int = 1) -> AdmittedPoints:
    """What enters of some lines."""
    decoded = (decoder or StatsdLines()).decode(Request(body.encode(), [], b"", tenant_id, NOW))
    return PointAdmission(1000).admit(decoded, tenant_id, NOW)


def rows_of(found: AdmittedPoints) -> list[tuple[str, str, str, dict[str, str], float, float]]:
    """Name, kind, unit, labels, value and weight of each point."""
    every = [unpack(found.catalogue.packed[slot]) for slot in found.points.slot.tolist()]
    values = found.points.value.tolist()
    weights = [1.0] * len(values) if found.points.weight is None else found.points.weight.tolist()
    return [
        (one.metric, one.kind, one.unit, dict(one.labels), value, weight)
        for one, value, weight in zip(every, values, weights, strict=True)
    ]


@pytest.mark.parametrize(
    ("line", "rows"),
    [
        ("orders:3|c", [("orders", "delta", "", {}, 3.0, 1.0)]),
        ("orders:-1|c|@0.25", [("orders", "delta", "", {}, -1.0, 4.0)]),
        ("rpc:320|ms|@0.5", [("rpc", "delta", "s", {}, 0.32, 2.0)]),
        ("size:7|h", [("size", "delta", "", {}, 7.0, 1.0)]),
        ("size:7:8.5|d|#env:prod,canary,url:a:b", [
            ("size", "delta", "", {"env": "prod", "canary": "true", "url": "a:b"}, 7.0, 1.0),
            ("size", "delta", "", {"env": "prod", "canary": "true", "url": "a:b"}, 8.5, 1.0),
        ]),
        ("temp:-4|g|@0.1|#tenant:x|c:ci-1", [("temp", "gauge", "", {"exported_tenant": "x"}, -4.0, 1.0)]),
        ("users:joe:x|s", [("users", "delta", "", {}, 1.0, 1.0)]),
        ("a:1|c\r\n\nb:2|c", [("a", "delta", "", {}, 1.0, 1.0), ("b", "delta", "", {}, 2.0, 1.0)]),
    ],
)  # fmt: skip
def test_each_value_is_a_point(line: str, rows: list[Any]) -> None:
    """Counters and timings add up, gauges are levels, and a rate is a weight."""
    assert rows == rows_of(admitted(line))


def test_a_set_counts_different_texts() -> None:
    """A text is counted once, however often it comes."""
    found = admitted("users:joe|s\nusers:ann|s\nusers:joe|s\nusers_total:1|c")

    assert found.points.distinct is not None
    hashes = found.points.distinct.tolist()
    assert (hashes[0] == hashes[2], 3, 0) == (True, len(set(hashes)), hashes[3])


def test_a_sign_adds_to_the_last_value_of_a_gauge() -> None:
    """Of this tenant and these labels; of what was never heard, to 0."""
    decoder = StatsdLines()
    values = [
        row[4]
        for body in ("g:5|g\ng:-2|g\ng:+1.5|g\ng:+1|g|#a:b", "g:-2|g")
        for row in rows_of(admitted(body, decoder))
    ]

    assert ([5.0, 3.0, 4.5, 1.0, 2.5], -1.0) == (values, rows_of(admitted("g:-1|g", decoder, 2))[0][4])


@pytest.mark.parametrize(
    ("body", "values"),
    [
        pytest.param("g:7|g\ng:0|g\ng:-5|g", [7.0, -5.0], id="as pystatsd sends -5"),
        pytest.param("g:0|g\ng:-5|g\ng:0|g\ng:-6|g", [-5.0, -6.0], id="twice"),
        pytest.param("g:0|g\ng:0|g\ng:-5|g", [0.0, -5.0], id="a zero of its own before it"),
        pytest.param("g:0|g\ng:5|g", [0.0, 5.0], id="no sign"),
        pytest.param("g:0|g\ng:+5|g", [0.0, 5.0], id="what is added"),
        pytest.param("g:0|g|#a:b\ng:-5|g", [0.0, -5.0], id="of another series"),
        pytest.param("g:0|c\ng:-5|g", [0.0, -5.0], id="a counter"),
        pytest.param("g:0|g\nh:1|c\ng:-5|g", [0.0, 1.0, -5.0], id="not side by side"),
    ],
)
def test_the_zero_before_a_level_below_zero_is_no_point(body: str, values: list[float]) -> None:
    """StatsD takes a minus for a change, so clients send 0 first; a maximum of 0 would be a lie."""
    found = admitted(body)

    assert values == [row[4] for row in rows_of(found)]


def test_the_gauges_remembered_are_bounded() -> None:
    """The one heard longest ago is forgotten, and begins at 0."""
    gauges = LastGauges(2)
    heard = [
        gauges.value(1, Sample(name, b"", "g", value, 1.0, None))
        for name, value in (("a", "5"), ("b", "5"), ("c", "5"), ("a", "+1"), ("c", "+1"))
    ]

    assert [5.0, 5.0, 5.0, 1.0, 6.0] == heard


def test_a_line_may_bear_its_time() -> None:
    """In seconds; where all do, the same body posted again is the same points."""
    timed, untimed = admitted(f"a:1|c|T{NOW // 1000}"), admitted("a:1|c")

    assert (True, False) == (timed.timed, untimed.timed)
    assert [NOW] == timed.points.ts_ms.tolist()


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("_e{5,4}:title|text", "unsupported_line"),
        ("_sc|name|0", "unsupported_line"),
        ("a", "malformed_line"), ("a:1", "malformed_line"), (":1|c", "malformed_line"), ("a:1|x", "malformed_line"),
        ("a:|c", "malformed_line"), ("a:1:|c", "malformed_line"), ("a:nan|g", "malformed_line"),
        ("a:1|c|@0", "sample_rate_out_of_range"), ("a:1|c|@x", "sample_rate_out_of_range"),
        ("a:1|c|@1.5", "sample_rate_out_of_range"), ("a:1|c|Tx", "invalid_ts"), ("a:1|c|T5", "ts_too_old"),
        ("a:1|c|#x:1,x:2", "invalid_labels"), ("a:|s", "invalid_distinct"), ("a:1e999|g", "value_out_of_range"),
    ],
)  # fmt: skip
def test_a_bad_line_harms_no_other(line: str, code: str) -> None:
    """It is refused by its number."""
    found = admitted(f"a:1|c\n{line}\nb:2|c")

    assert ([1.0, 2.0], [(1, code)]) == (
        found.points.value.tolist(), [(bad.index, bad.code) for bad in found.rejected],
    )  # fmt: skip


def test_more_values_than_the_limit_are_refused_whole() -> None:
    """At the limit all are taken."""
    at = StatsdLines(2)
    assert at.decode(Request(b"a:1:2|d", [], b"", 1, NOW)).points is not None
    with pytest.raises(Rejected) as refusal:
        at.decode(Request(b"a:1:2:3|d", [], b"", 1, NOW))

    assert "too_many_points" == refusal.value.code
