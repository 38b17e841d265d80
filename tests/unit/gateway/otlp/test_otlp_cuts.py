"""Points that are cut beside points that are parsed, in one request."""

from opentelemetry.proto.metrics.v1.metrics_pb2 import Histogram, Metric

from services.gateway.intake.columns.admit_points import PointAdmission
from services.gateway.intake.protocols.otlp.decode import OtlpMetrics
from services.gateway.intake.protocols.otlp.memory import Memory
from services.gateway.intake.protocols.otlp.metrics import protobuf
from services.gateway.intake.steps import finished
from tests.support.otlp import (
    CUMULATIVE,
    NOW_MS,
    NOW_NS,
    START_NS,
    both,
    decoded,
    gauge,
    number,
    request,
    rows_of,
    total,
)


def test_a_request_is_looked_at_twice_at_most() -> None:
    """However many of its metrics hold a point that is laid out otherwise, whatever came before."""
    odd = number(2) | {"exemplars": [{"as_int": 1}]}
    sent = request(
        *[gauge(f"m{at}", *[(odd if at % 3 == k else number(1)) for k in range(3)]) for at in range(40)]
    )
    decoder = OtlpMetrics(())

    found = [rows_of(decoded(sent.SerializeToString(), decoder=decoder)) for _ in range(40)]

    assert [([2.0 if at % 3 == k else 1.0 for at in range(40) for k in range(3)], [])] * 40 == [
        ([row.value for row in rows], refused) for rows, refused in found
    ]


def test_a_point_of_another_layout_hides_no_bad_attributes() -> None:
    """One metric does not fit its layout, another has attributes that cannot be read, a third is good."""
    odd = number(2) | {"exemplars": [{"as_int": 1}]}
    bad = number(3, {"k": "x" * 70_000})

    rows, refused = rows_of(
        both(request(gauge("a", number(1), odd), gauge("b", number(1), bad), gauge("c", number(4))))
    )

    assert (["a", "a", "b", "c"], [(3, "invalid_attributes")]) == ([row.metric for row in rows], refused)


def test_points_with_and_without_a_start_are_cut_in_their_order() -> None:
    """A gauge between two sums of the same serializer, twice: at first unknown, then known."""
    sent = request(
        total("a", number(1, {"k": "x"}, start=START_NS), number(2, {"k": "y"}, start=START_NS)),
        gauge("b", number(3, {"k": "x"}), number(0.5)),
        total("c", number(4, {"k": "x"}, start=START_NS + 7_000_000)),
    )
    decoder = OtlpMetrics(())

    found = [rows_of(decoded(sent.SerializeToString(), decoder=decoder))[0] for _ in range(2)]

    began = START_NS // 1_000_000
    assert found[0] == found[1]
    assert [("a", 1.0, began), ("a", 2.0, began), ("b", 3.0, 0), ("b", 0.5, 0), ("c", 4.0, began + 7)] == [
        (row.metric, row.value, row.start_ms) for row in found[1]
    ]


def test_a_cut_metric_stands_between_histograms() -> None:
    """Rows that are cut and rows that are parsed come in the order of the request."""
    point = {"bucket_counts": [1, 0], "explicit_bounds": [1.0], "count": 1, "time_unix_nano": NOW_NS}
    bars = Metric(name="h", histogram=Histogram(data_points=[point], aggregation_temporality=CUMULATIVE))
    sent = request(bars, gauge("a", number(1), number(2)), bars, gauge("b", number(3)))

    rows, refused = rows_of(both(sent))

    assert (["h", "h", "a", "a", "h", "h", "b"], []) == ([row.metric for row in rows], refused)


def test_attributes_too_long_to_be_remembered_harm_no_neighbour() -> None:
    """They are read each time, beside others that are known."""
    sent = request(
        gauge(
            "m",
            number(1, {"k": "x"}),
            number(2, {"k": "x" * 200, **{f"k{at}": "y" * 250 for at in range(20)}}),
        )
    )
    decoder, admission = OtlpMetrics(()), PointAdmission(1000)

    found = [admission.admit(decoded(sent.SerializeToString(), decoder=decoder), 1, NOW_MS) for _ in range(2)]

    assert [[0, 1], [0, 1]] == [one.points.slot.tolist() for one in found]
    assert [[], []] == [one.rejected for one in found]


def test_a_client_that_lays_its_points_out_anew_is_cut_again() -> None:
    """The layout is learned from the request after the one that did not fit."""
    memory = Memory(()).of(1)
    with_start, without = [
        request(gauge("m", number(1.0, {"k": "x"}, start=start))).SerializeToString()
        for start in (START_NS, 0)
    ]
    value_first = without.replace(*[b"".join(order) for order in _orders(without)])
    orders = []
    for body in (with_start, value_first, value_first):
        rows = finished(protobuf.rows_of(body, memory))
        (origin,) = memory.origins.values()
        (page,) = origin.pages.values()
        orders.append(page.layout and page.layout.order.head)
        assert rows.value.tolist() == [1.0]

    assert [b"\x11\x19\x21", None, b"\x21\x19\x11"] == orders


def _orders(body: bytes) -> tuple[tuple[bytes, bytes], tuple[bytes, bytes]]:
    """The fields of time and value as they stand in a body of one point, and the value first."""
    at = body.index(b"\x19")
    time, value = body[at : at + 9], body[at + 9 : at + 18]
    return (time, value), (value, time)
