"""Sample rates, starts of running totals and strings to be counted, from JSON to columns."""

import json
from typing import Any

import numpy as np
import pytest
from xxhash import xxh3_64_intdigest

from services.gateway.intake.columns.admit_points import AdmittedPoints
from shared.model.point import Points
from tests.support.decoding import native_points

NOW = 1_760_000_000_000
GOOD = {"name": "a", "value": 1, "ts": NOW, "labels": {}}


def decode(*points: Any) -> AdmittedPoints:
    """Decode these points for tenant 1 at `NOW`."""
    body = json.dumps({"points": points}, ensure_ascii=False).encode()
    return native_points(1000, 10_000).decode(body, 1, NOW)


def column(points: Points, name: str) -> list[Any] | None:
    """A column as a list, None where there is none."""
    found = getattr(points, name)
    return None if found is None else list(found.tolist())


@pytest.mark.parametrize(
    ("changes", "weights"),
    [
        pytest.param({"sample_rate": 0.25}, [1.0, 4.0], id="one in four"),
        pytest.param({"sample_rate": 1}, None, id="all of them"),
        pytest.param({"sample_rate": 1e-12}, [1.0, 1e12], id="the smallest"),
        pytest.param({"weight": 1}, None, id="a weight of one"),
        pytest.param({"weight": -3}, [1.0, -3.0], id="a retraction"),
    ],
)
def test_a_sampled_point_stands_for_all_that_were_not_sent(
    changes: dict[str, Any], weights: list[float] | None
) -> None:
    """Its weight is one over the rate; where all weigh one there is no column."""
    assert weights == column(decode(GOOD, GOOD | changes).points, "weight")


@pytest.mark.parametrize(
    ("changes", "starts"),
    [
        pytest.param({"start_ts": NOW}, [0, NOW], id="as late as the point"),
        pytest.param({"start_ts": "2025-10-09T08:53:19Z"}, [0, NOW - 1000], id="RFC 3339"),
        pytest.param({"start_ts": 0}, None, id="unknown"),
        pytest.param({"start_ts": None}, None, id="null"),
        pytest.param({"start_ts": NOW, "kind": "gauge"}, None, id="of no consequence for a gauge"),
    ],
)
def test_a_running_total_may_say_when_it_began(changes: dict[str, Any], starts: list[int] | None) -> None:
    """Milliseconds, 0 where it is not known; other points have none."""
    decoded = decode(GOOD, GOOD | {"kind": "cumulative"} | changes)

    assert ([], starts) == (decoded.rejected, column(decoded.points, "start_ms"))


@pytest.mark.parametrize("text", ["x", "user-17", "ü" * 512, "\x00", " "])
def test_a_string_to_be_counted_becomes_its_hash(text: str) -> None:
    """The hash of its UTF-8; 0 for points without one."""
    decoded = decode(GOOD, GOOD | {"distinct": text})

    assert [0, xxh3_64_intdigest(text.encode())] == column(decoded.points, "distinct")
    assert decoded.points.distinct is not None
    assert np.uint64 == decoded.points.distinct.dtype


def test_a_body_that_says_nothing_special_has_no_more_columns() -> None:
    """A column appears only where some row needs it."""
    assert (None,) * 4 == decode(GOOD, GOOD | {"kind": "delta"}).points.optional()


@pytest.mark.parametrize("start_ts", [NOW + 20_000, NOW, 0, -1])
def test_an_increment_counts_whatever_start_it_has(start_ts: int) -> None:
    """After a clock was set back, one starts after its time: findings/otel-python-starts-after-its-time.sh."""
    decoded = decode(GOOD | {"kind": "delta", "start_ts": start_ts})

    assert ([], None, [1.0]) == (decoded.rejected, decoded.points.start_ms, column(decoded.points, "value"))


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"sample_rate": 0}, "sample_rate_out_of_range"),
        ({"sample_rate": -0.5}, "sample_rate_out_of_range"),
        ({"sample_rate": 1.01}, "sample_rate_out_of_range"),
        ({"sample_rate": 1e-13}, "sample_rate_out_of_range"),
        ({"sample_rate": "1"}, "invalid_sample_rate"),
        ({"sample_rate": 0.5, "weight": 1}, "invalid_sample_rate"),
        ({"sample_rate": 0.5, "kind": "cumulative"}, "invalid_sample_rate"),
        ({"weight": 2, "kind": "cumulative"}, "invalid_weight"),
        ({"start_ts": NOW + 1, "kind": "cumulative"}, "invalid_start_ts"),
        ({"start_ts": -1, "kind": "cumulative"}, "invalid_start_ts"),
        ({"start_ts": 1 << 70, "kind": "cumulative"}, "invalid_start_ts"),
        ({"start_ts": "1969-12-31T23:59:59Z", "kind": "cumulative"}, "invalid_start_ts"),
        ({"start_ts": "yesterday"}, "invalid_start_ts"),
        ({"distinct": ""}, "invalid_distinct"),
        ({"distinct": "x" * 1025}, "invalid_distinct"),
        ({"distinct": "ü" * 513}, "invalid_distinct"),
        ({"distinct": 7}, "invalid_distinct"),
        ({"distinct": "x", "kind": "cumulative"}, "invalid_distinct"),
        ({"distinct": "x", "histogram": {"bounds": [1], "counts": [1, 1]}, "kind": "delta"}, "invalid_distinct"),
    ],
)  # fmt: skip
def test_what_cannot_be_stored_is_refused_with_its_field(changes: dict[str, Any], code: str) -> None:
    """The point alone, under its index, by a message that begins with the field."""
    decoded = decode(GOOD, GOOD | changes, GOOD)

    assert ([(1, code)], 2) == (
        [(bad.index, bad.code) for bad in decoded.rejected],
        len(decoded.points),
    )
    assert decoded.rejected[0].message.startswith(code.removeprefix("invalid_").split("_out_of")[0])
