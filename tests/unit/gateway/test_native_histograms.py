"""Native histograms of Prometheus become buckets of ours, each of which holds what was counted in it."""

import pytest

from services.gateway.intake.columns.admit_points import AdmittedPoints, PointAdmission
from services.gateway.intake.columns.contract import Request
from services.gateway.intake.protocols.remote_write.decode import RemoteWrite
from services.gateway.intake.protocols.remote_write.histograms import CUSTOM, OF_LEVELS, check_room
from shared.errors import Rejected
from shared.wire.series import unpack
from tests.support import remote_write as wire

NOW = 1_790_000_000_000
H = {"__name__": "rpc_seconds", "job": "api"}


def admitted(*histograms: bytes) -> AdmittedPoints:
    """What enters of a request of version 2.0 with these histograms of one series."""
    body = wire.second_request([(H, [], histograms, 3)])
    decoded = RemoteWrite().decode(Request(body, [wire.SECOND], b"", 1, NOW))
    return PointAdmission(10_000).admit(decoded, 1, NOW)


def buckets_of(found: AdmittedPoints) -> dict[float, float]:
    """Middle and count of each bucket that holds something."""
    assert found.points.weight is not None
    pairs = zip(found.points.value.tolist(), found.points.weight.tolist(), strict=True)
    return {middle: weight for middle, weight in pairs if weight}


def test_custom_bounds_are_bounds() -> None:
    """Schema -53 is what classic buckets become; a span may leave some out."""
    found = admitted(wire.histogram(CUSTOM, [(0, 1), (1, 2)], [2, 1, -3], NOW, bounds=[0.1, 0.5, 1.0]))
    series = unpack(found.catalogue.packed[int(found.points.slot[0])])

    assert ("rpc_seconds", "histogram", "s") == (series.metric, series.kind, series.unit)
    assert {0.05: 2.0, 0.75: 3.0} == buckets_of(found)


def test_exponential_buckets_hold_what_lies_between_their_bounds() -> None:
    """At schema 0 bucket 1 is (1, 2] and bucket 2 is (2, 4]; a value is as near to both of its bounds, as a part."""
    found = admitted(wire.histogram(0, [(1, 2)], [3, 1], NOW, zero=5))

    assert {4 / 3: 3.0, 8 / 3: 4.0, 0.0: 5.0} == buckets_of(found)


def test_negative_buckets_are_mirrored() -> None:
    """Between the same bounds with a minus."""
    found = admitted(wire.histogram(0, [(1, 1)], [1], NOW, negative=([(1, 2)], [3, 1])))

    assert {-8 / 3: 4.0, -4 / 3: 3.0, 4 / 3: 1.0} == buckets_of(found)


def test_finer_buckets_are_merged_to_one_scale() -> None:
    """A client that halves its resolution goes on in the same buckets: 16 of schema 6 are one of schema 2."""
    fine = admitted(wire.histogram(6, [(1, 16)], [1] + [0] * 15, NOW))
    coarse = admitted(wire.histogram(2, [(1, 1)], [16], NOW))

    assert buckets_of(coarse) == buckets_of(fine)
    assert (None, None) == (fine.points.stream, coarse.points.stream)


def test_a_fine_histogram_may_be_wide() -> None:
    """Of the finest schema, from a microsecond to a quarter of an hour: the gap between its spans is of no account."""
    found = admitted(wire.histogram(8, [(-5000, 1), (7500, 1)], [1, 0], NOW))

    assert ([], 2.0) == (found.rejected, sum(buckets_of(found).values()))


def test_a_coarse_histogram_is_a_stream_of_its_own() -> None:
    """Its start is unknown: its first totals hold what a finer scale has counted."""
    found = admitted(
        wire.histogram(0, [(1, 1)], [1], NOW) + wire.whole(17, NOW - 5), wire.histogram(3, [(1, 1)], [1], NOW)
    )

    assert found.points.stream is not None
    assert 2 == len(set(found.points.stream.tolist()))
    assert found.points.start_ms is None


def test_custom_and_exponential_buckets_come_in_one_request() -> None:
    """Each histogram has its own, however they lie."""
    custom = [wire.histogram(CUSTOM, [(0, 1)], [each], NOW, bounds=[float(each), 9.0]) for each in (1, 2)]
    exponential = [wire.histogram(0, [(1, 1)], [each], NOW) for each in (3, 4)]
    found = admitted(exponential[0], custom[0], exponential[1], custom[1])

    assert found.points.weight is not None
    filled = [
        (value, weight)
        for value, weight in zip(found.points.value.tolist(), found.points.weight.tolist(), strict=True)
        if weight
    ]
    assert [(0.5, 1.0), (1.0, 2.0), (4 / 3, 3.0), (4 / 3, 4.0)] == filled


def test_many_histograms_come_in_one_request() -> None:
    """As many as Prometheus sends at once, with more buckets than a message of ours holds."""
    custom = [
        wire.histogram(CUSTOM, [(0, 1)], [1], NOW + each, bounds=[float(one) for one in range(1, 20)])
        for each in range(2_000)
    ]
    found = admitted(*custom)

    assert ([], 2_000.0) == (found.rejected, sum(buckets_of_all(found)))


def buckets_of_all(found: AdmittedPoints) -> list[float]:
    """The counts of all buckets."""
    assert found.points.weight is not None
    counts: list[float] = found.points.weight.tolist()
    return counts


@pytest.mark.parametrize(
    ("broken", "code"),
    [
        (wire.histogram(0, [(1, 3)], [1, 0], NOW), "invalid_histogram"),
        (wire.histogram(9, [(1, 1)], [1], NOW), "invalid_histogram"),
        (wire.histogram(0, [(1, 2)], [1, -5], NOW), "invalid_histogram"),
        (wire.histogram(-4, [(2_000_000_000, 1)], [1], NOW), "invalid_histogram"),
        (wire.histogram(2, [(-600, 1), (1_200, 1)], [1, 0], NOW), "invalid_histogram"),
        (wire.histogram(CUSTOM, [(0, 1)], [1], NOW), "invalid_histogram"),
        (wire.histogram(CUSTOM, [(7, 1)], [1], NOW, bounds=[1.0]), "invalid_histogram"),
        (wire.histogram(CUSTOM, [(0, 1)], [1], NOW, bounds=[2.0, 1.0]), "invalid_histogram"),
        (wire.histogram(0, [(1, 1)], [1], NOW, hint=OF_LEVELS), "unsupported_kind"),
    ],
    ids=[
        "spans beyond counts",
        "schema",
        "negative count",
        "beyond a number",
        "a wide gap",
        "no bounds",
        "no bound",
        "falling bounds",
        "levels",
    ],
)
def test_a_histogram_that_cannot_be_is_refused_alone(broken: bytes, code: str) -> None:
    """By its place in the request."""
    found = admitted(wire.histogram(0, [(1, 1)], [1], NOW), broken)

    assert ({4 / 3: 1.0}, [(1, code)]) == (
        buckets_of(found),
        [(bad.index, bad.code) for bad in found.rejected],
    )


def test_a_stale_histogram_is_nothing() -> None:
    """Its sum is the stale marker."""
    found = admitted(wire.histogram(0, [], [], NOW, total=wire.STALE))

    assert (0, []) == (len(found.points), found.rejected)


def test_buckets_beyond_the_limit_of_a_request_are_refused() -> None:
    """At the limit they are not."""
    check_room(0)
    with pytest.raises(Rejected) as refusal:
        check_room(-1)

    assert "too_many_buckets" == refusal.value.code
