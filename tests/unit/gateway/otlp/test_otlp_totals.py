"""Starts and streams of OTLP's running totals: what counts from zero, and what is a stream of its own."""

from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric

from tests.support.otlp import (
    CUMULATIVE,
    NOW_MS,
    NOW_NS,
    START_NS,
    admitted,
    both,
    number,
    request,
    rows_of,
    total,
)


def exponential(scale: int) -> Metric:
    """Running totals of an exponential histogram."""
    points = [
        {
            "time_unix_nano": NOW_NS, "start_time_unix_nano": START_NS, "scale": scale,
            "positive": {"offset": 0, "bucket_counts": [1]},
        }
    ]  # fmt: skip
    return Metric(
        name="e", exponential_histogram={"data_points": points, "aggregation_temporality": CUMULATIVE}
    )


def test_running_totals_of_a_coarse_scale_are_a_stream_of_their_own_without_a_start() -> None:
    """What a finer scale has counted before is in their first totals, and must not count again."""
    found = [admitted(both(request(exponential(scale)))).points for scale in (5, 2, 1, 0)]

    assert [True, True, False, False] == [each.start_ms is not None for each in found]
    streams = [set(each.stream.tolist()) for each in found if each.stream is not None]
    assert [1, 1, 1, 1] == [len(each) for each in streams]
    assert streams[0] == streams[1]
    assert 3 == len(set.union(*streams))


def test_a_total_that_is_exported_within_a_millisecond_of_its_start_counts() -> None:
    """R30: its start stays before it, and is the same for all totals; one that is its own time stays unknown."""
    begun = NOW_NS + 200_000
    points = [number(3, at=begun + later, start=begun) for later in (300_000, 0, 5_000_000)]

    rows, _ = rows_of(both(request(*(total(f"m{at}", point) for at, point in enumerate(points)))))

    assert [(NOW_MS, NOW_MS + 1), (NOW_MS + 1, NOW_MS + 1), (NOW_MS, NOW_MS + 6)] == [
        (row.start_ms, row.ts_ms) for row in rows
    ]
