"""Histograms become a row for each bucket."""

import json
from typing import Any

import pytest

from services.gateway.intake.columns.admit_points import AdmittedPoints
from services.gateway.intake.domain.ledger import Admitted
from services.gateway.intake.publish.point_batches import PointIntakeBatch, cut
from shared.errors import Rejected
from shared.wire import envelope, series
from tests.support.decoding import native_points
from tests.unit.gateway.test_optional_columns import NOW

NONE = Admitted(1, 0, {})

BOUNDS = [1, 2, 4]
POINT = {"name": "a", "ts": NOW, "labels": {}, "kind": "delta"}
GOOD = POINT | {"histogram": {"bounds": BOUNDS, "counts": [1, 0, 3, 2]}}


def decode(*points: Any) -> AdmittedPoints:
    """Decode these points for tenant 1 at `NOW`."""
    return native_points(1000, 10_000).decode(json.dumps({"points": points}).encode(), 1, NOW)


def rows(decoded: AdmittedPoints) -> list[tuple[float, float]]:
    """Value and weight of every row."""
    points = decoded.points
    weights = [1.0] * len(points) if points.weight is None else points.weight.tolist()
    return list(zip(points.value.tolist(), weights, strict=True))


def shaped(bounds: list[float], counts: list[float], **changes: Any) -> dict[str, Any]:
    """A point that is this histogram."""
    return POINT | {"histogram": {"bounds": bounds, "counts": counts}} | changes


@pytest.mark.parametrize(
    ("bounds", "middles"),
    [
        pytest.param([1, 2, 4], [0.5, 1.5, 3, 4], id="above zero"),
        pytest.param([-4, -2, -1], [-4, -3, -1.5, -0.5], id="below zero"),
        pytest.param([-1, 1], [-1, 0, 1], id="on both sides"),
        pytest.param([0, 5], [0, 2.5, 5], id="from zero on"),
        pytest.param([], [0], id="no bound"),
        pytest.param([10], [5, 10], id="one bound"),
        pytest.param([-10], [-10, -5], id="one bound below zero"),
    ],
)
def test_a_bucket_counts_at_its_middle(bounds: list[float], middles: list[float]) -> None:
    """An open-ended bucket reaches to zero if zero lies in it; else it counts at its bound."""
    decoded = decode(shaped(bounds, [2] * (len(bounds) + 1)))

    assert [(middle, 2.0) for middle in middles] == rows(decoded)


def test_empty_buckets_of_increments_are_left_out() -> None:
    """Nothing lies in them; the point is one all the same."""
    decoded = decode(GOOD)

    assert [(0.5, 1.0), (3.0, 3.0), (4.0, 2.0)] == rows(decoded)
    assert 1 == PointIntakeBatch(decoded.catalogue, decoded.points, NOW, NONE, decoded.surplus).taken


def test_empty_buckets_of_running_totals_are_rows() -> None:
    """A total of zero is where the next one counts from."""
    decoded = decode(GOOD | {"kind": "cumulative", "start_ts": NOW - 5})

    assert [(0.5, 1.0), (1.5, 0.0), (3.0, 3.0), (4.0, 2.0)] == rows(decoded)
    assert [NOW - 5] * 4 == decoded.points.start_ms.tolist()  # type: ignore[union-attr]


def test_running_totals_reach_the_reader_whole() -> None:
    """Empty buckets and the start come out of a message as they went in."""
    decoded = decode(GOOD | {"kind": "cumulative", "start_ts": NOW - 5}, GOOD | {"kind": "cumulative"})

    (piece,) = cut([PointIntakeBatch(decoded.catalogue, decoded.points, NOW, NONE)], 1)
    record = envelope.encode(envelope.PointBatch("p", 1, NOW, piece.series, piece.points, []))
    read = envelope.decode(record, NOW)

    (owner,) = map(series.unpack, read.series)
    assert ("histogram", [1, 0, 3, 2] * 2) == (owner.kind, read.points.weight.tolist())  # type: ignore[union-attr]
    assert [NOW - 5] * 4 + [0] * 4 == read.points.start_ms.tolist()  # type: ignore[union-attr]


def test_histograms_stand_among_other_points_in_their_order() -> None:
    """Rows keep the order of points, and each point counts as one."""
    decoded = decode(
        POINT | {"value": 7, "weight": 3}, GOOD, {"name": ""}, shaped([1], [0, 0]), POINT | {"value": 8}
    )

    assert [(7, 3), (0.5, 1), (3, 3), (4, 2), (8, 1)] == rows(decoded)
    assert (1, [2]) == (decoded.surplus, [bad.index for bad in decoded.rejected])


def test_a_weight_scales_and_takes_back_all_buckets() -> None:
    """A sample rate of a quarter is a weight of four; a negative one retracts."""
    quarter, back = decode(GOOD | {"sample_rate": 0.25}), decode(GOOD | {"weight": -1})

    assert [(0.5, 4.0), (3.0, 12.0), (4.0, 8.0)] == rows(quarter)
    assert [(0.5, -1.0), (3.0, -3.0), (4.0, -2.0)] == rows(back)


@pytest.mark.parametrize(
    ("point", "code"),
    [
        pytest.param(shaped([], []), "invalid_histogram", id="no buckets"),
        pytest.param(shaped([1, 2], [1, 1]), "invalid_histogram", id="too few counts"),
        pytest.param(shaped([1], [1, 1, 1]), "invalid_histogram", id="too many counts"),
        pytest.param(shaped(list(range(200)), [1] * 201), "invalid_histogram", id="201 buckets"),
        pytest.param(shaped([2, 1], [1, 1, 1]), "invalid_histogram", id="descending"),
        pytest.param(shaped([1, 3, 2.5, 10], [1] * 5), "invalid_histogram", id="one bound out of order"),
        pytest.param(shaped([1, 1], [1, 1, 1]), "invalid_histogram", id="equal bounds"),
        pytest.param(shaped([1 + 2**-52, 1 + 2**-51], [1, 1, 1]), "invalid_histogram", id="no number between"),
        pytest.param(shaped([0], [1, 1]), "invalid_histogram", id="both middles at zero"),
        pytest.param(shaped([1e101], [1, 1]), "invalid_histogram", id="a large bound"),
        pytest.param(shaped([-1.1e100, 1], [1, 1, 1]), "invalid_histogram", id="a bound far below zero"),
        pytest.param(shaped([1], [1, -1]), "invalid_histogram", id="a negative count"),
        pytest.param(shaped([1], [1, 1.1e12]), "invalid_histogram", id="a large count"),
        pytest.param(shaped([1], [1, 1e12], weight=2), "invalid_histogram", id="a large weight"),
        pytest.param(shaped([1], [1, "1"]), "invalid_histogram", id="a count that is a string"),
        pytest.param(shaped([1], [1, None]), "invalid_histogram", id="a count that is null"),
        pytest.param(POINT | {"histogram": None}, "invalid_value", id="null"),
        pytest.param(POINT | {"histogram": [1]}, "invalid_histogram", id="a list"),
        pytest.param(POINT | {"histogram": {"bounds": [1]}}, "invalid_histogram", id="no counts"),
        pytest.param(shaped([1], [1, 1], value=1), "invalid_histogram", id="a value as well"),
        pytest.param(shaped([1], [1, 1], kind="gauge"), "invalid_kind", id="a gauge"),
        pytest.param(shaped([1], [1, 1], weight=0), "weight_out_of_range", id="weight zero"),
        pytest.param(shaped([1], [1, 1], ts=0), "ts_too_old", id="too old"),
        pytest.param(POINT, "invalid_value", id="neither value nor histogram"),
    ],
)  # fmt: skip
def test_a_histogram_that_cannot_be_is_refused_alone(point: dict[str, Any], code: str) -> None:
    """Its index and a code come back; its neighbours are taken whole."""
    decoded = decode(GOOD, point, GOOD)

    assert [(1, code)] == [(bad.index, bad.code) for bad in decoded.rejected]
    assert [(0.5, 1.0), (3.0, 3.0), (4.0, 2.0)] * 2 == rows(decoded)
    assert 4 == decoded.surplus


def test_the_largest_histogram_is_taken() -> None:
    """200 buckets and the largest count are within the limits."""
    assert 200 == len(decode(shaped(list(range(1, 200)), [1e12] * 200)).points)


@pytest.mark.parametrize(("last", "refused"), [(199, False), (200, False), (201, True)])
def test_a_request_has_no_more_buckets_than_a_batch_has_rows(last: int, refused: bool) -> None:
    """20,000 buckets are a request; one more and it must be sent in parts."""
    whole, rest = shaped(list(range(1, 200)), [1] * 200), shaped(list(range(1, last)), [1] * last)
    body = json.dumps({"points": [whole] * 99 + [rest]}).encode()

    try:
        code = str(len(native_points(1000, 1000).decode(body, 1, NOW).points))
    except Rejected as refusal:
        code = refusal.code

    assert (code == "too_many_points") is refused
