"""What the gateway accepts, its readers accept: bodies of every kind, through the decoder of the aggregator."""

import json
from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from services.gateway.intake.domain.ledger import admitted
from services.gateway.intake.publish.point_batches import PointIntakeBatch, cut
from shared.errors import Rejected
from shared.model.labels import labels_of
from shared.model.point import Points
from shared.model.series import check_kind, check_metric, check_unit
from shared.wire import envelope, series
from tests.support.decoding import native_points

NOW = 1_760_000_000_000

anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)
plausible = st.fixed_dictionaries(
    {
        "name": st.sampled_from(["a", "b.c", "", "é"]) | st.text(max_size=5),
        "value": st.floats() | st.integers(),
    },
    optional={
        "ts": st.integers(NOW - 10**9, NOW + 10**5)
        | st.integers()
        | st.datetimes().map(lambda at: at.isoformat() + "Z"),
        "labels": st.dictionaries(
            st.sampled_from(["x", "le", "y"]) | st.text(max_size=3), st.text(max_size=5), max_size=3
        ),
        "kind": st.sampled_from(["gauge", "delta", "cumulative", "other"]),
        "unit": st.sampled_from(["s", "", "a b"]) | st.text(max_size=3),
        "weight": st.floats() | st.integers(-3, 3),
        "sample_rate": st.sampled_from([1, 0.5, 1e-12]) | st.floats(),
        "start_ts": st.none() | st.integers(NOW - 10**9, NOW + 10**5),
        "distinct": st.text(max_size=5),
    },
)
histogram = st.fixed_dictionaries(
    {
        "name": st.just("a"),
        "kind": st.sampled_from(["delta", "delta", "cumulative", "gauge"]),
        "histogram": st.fixed_dictionaries(
            {
                "bounds": st.lists(st.integers(-9, 9) | st.floats(), max_size=4).map(
                    lambda bounds: sorted(set(bounds))
                ),
                "counts": st.lists(st.integers(-1, 9) | st.floats(0), max_size=5),
            }
        ),
    },
    optional={"weight": st.integers(-3, 3) | st.floats(), "sample_rate": st.sampled_from([1, 0.5])},
)
bodies = st.lists(plausible | plausible | histogram | anything, max_size=12)


def storable(packed: bytes) -> bool:
    """Whether tables and readers take this series; raises when not."""
    found = series.unpack(packed)
    check_metric(found.metric)
    check_kind(found.kind)
    check_unit(found.unit)
    found.metric.encode()
    return found.labels == labels_of(dict(found.labels)) and series.pack(found) == packed


def weights_of(points: Points) -> NDArray[np.float64]:
    """The weight of every row."""
    return np.ones(len(points)) if points.weight is None else points.weight


def weights_are_sound(batch: envelope.PointBatch) -> bool:
    """Whether all count something, but for running totals of buckets, where nothing is a total too."""
    runs = np.array([series.unpack(packed).kind == "histogram" for packed in batch.series])
    weight = weights_of(batch.points)
    return bool(((weight != 0) | (runs[batch.points.slot] & (weight == 0))).all())


@given(bodies)
def test_what_is_accepted_is_decoded_by_the_reader(points: list[Any]) -> None:
    """Every point is either named as rejected or comes out of the log with its series, time and value."""
    body = json.dumps({"points": points}).encode("utf-8", "surrogatepass")
    try:
        decoded = native_points(1000, 1000).decode(body, 1, NOW)
    except Rejected:
        return

    counted = admitted(1, len(decoded.points), decoded.rejected)
    batch = PointIntakeBatch(decoded.catalogue, decoded.points, NOW, counted)
    pieces = list(cut([batch], 12)) if len(decoded.points) else []
    records = [
        envelope.encode(envelope.PointBatch("p", 1, NOW, piece.series, piece.points, [])) for piece in pieces
    ]
    read = [envelope.decode(record, NOW) for record in records]

    rows = sum(len(batch.points) for batch in read)
    assert len(points) == len(decoded.rejected) + rows - decoded.surplus
    assert all(storable(packed) for batch in read for packed in batch.series)
    assert all(weights_are_sound(batch) for batch in read)
    assert sorted(decoded.points.value.tolist()) == sorted(
        v for batch in read for v in batch.points.value.tolist()
    )


@given(
    st.binary(max_size=200) | st.text(max_size=200).map(lambda text: text.encode("utf-8", "surrogatepass"))
)
def test_no_body_harms_the_decoder(body: bytes) -> None:
    """Any bytes are columns or a refusal with a code."""
    try:
        decoded = native_points(1000, 1000).decode(body, 1, NOW)
    except Rejected as refusal:
        assert refusal.code  # noqa: PT017 - both ends are fine
    else:
        assert len(decoded.points) + len(decoded.rejected) > 0
