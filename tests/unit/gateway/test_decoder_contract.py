"""The contract of decoders: what a protocol of any kind hands over is admitted alike."""

import json

import msgspec
import numpy as np
import pytest

from services.gateway.intake.adapters.intake_batches import Decode
from services.gateway.intake.columns.admit_points import AdmittedPoints, PointAdmission
from services.gateway.intake.columns.contract import EventColumns, PointColumns, Request, RequestColumns
from services.gateway.intake.domain.admission import Rejection
from services.gateway.intake.protocols.analytics.decode import AnalyticsMetrics
from services.gateway.intake.protocols.native.decode import NativePoints
from shared.errors import Rejected
from shared.model.batch_id import id_of_key
from shared.wire.series import unpack

NOW = 1_760_000_000_000
LABELS = {"host": "a"}


class Lines:
    """A third protocol: a line is `point NAME VALUE` or `event ID TYPE`; the query may name the batch."""

    def decode(self, request: Request) -> RequestColumns:
        """Both signals of a request, and the lines that are neither."""
        lines = [line.split() for line in request.body.decode().splitlines()]
        points = [at for at, line in enumerate(lines) if line[0] == "point"]
        events = [at for at, line in enumerate(lines) if line[0] == "event"]
        others = sorted({*range(len(lines))} - {*points, *events})
        return RequestColumns(
            PointColumns(
                [lines[at][1] for at in points],
                [b"lines"] * len(points),
                dict(enumerate([LABELS] * len(points))).__getitem__,
                [("gauge", "")],
                np.full(len(points), request.received_at_ms),
                np.array([float(lines[at][2]) for at in points]),
                index=points,
            ),
            EventColumns(
                [lines[at][1] for at in events],
                [lines[at][2] for at in events],
                [request.received_at_ms] * len(events),
                [""] * len(events),
                [None] * len(events),
                [None] * len(events),
                [msgspec.Raw(b'{"line":%d}' % at) for at in events],
                events,
            ),
            [Rejection(at, "invalid_line", "line: must begin with point or event") for at in others],
            request.query,
        )


BODY = b"point a 1\nevent e-1 click\nsomething else\npoint b 1e200\npoint c 2\nevent e-2 a\x07b"


def request(body: bytes = BODY, query: bytes = b"") -> Request:
    """A request of tenant 7."""
    return Request(body, [], query, 7, NOW)


def series_of(found: AdmittedPoints) -> list[str]:
    """The metric of each row."""
    return [unpack(found.catalogue.packed[slot]).metric for slot in found.points.slot.tolist()]


def test_a_protocol_may_bring_points_and_events() -> None:
    """Each becomes a batch of its own; a refusal has the index of the request, and is told once."""
    decoded = Decode(Lines(), PointAdmission(1000))(request(), b"")
    assert decoded.points is not None
    assert decoded.events is not None
    (points, rejected_points), (events, rejected_events) = decoded.points, decoded.events

    assert ([1.0, 2.0], [(2, "invalid_line"), (3, "value_out_of_range")]) == (
        points.points.value.tolist(), [(bad.index, bad.code) for bad in rejected_points],
    )  # fmt: skip
    assert ([(7, "e-1", {"line": 1})], [(5, "invalid_type")]) == (
        [(event.tenant_id, event.event_id, json.loads(bytes(event.properties))) for event in events.events],
        [(bad.index, bad.code) for bad in rejected_events],
    )


@pytest.mark.parametrize(
    ("header_key", "query", "key"),
    [
        pytest.param(b"", b"k", b"k", id="the request names it"),
        pytest.param(b"k", b"", b"k", id="the header names it"),
        pytest.param(b"k", b"k", b"k", id="both agree"),
    ],
)
def test_any_protocol_may_name_its_batch(header_key: bytes, query: bytes, key: bytes) -> None:
    """The key of a batch comes from the header or from what the decoder has read."""
    decoded = Decode(Lines(), PointAdmission(1000))(request(query=query), header_key)

    assert decoded.points is not None
    identity = decoded.points.batch.identity
    assert identity is not None
    assert (id_of_key("points", 7, key), True) == (identity.batch_id, identity.keyed)


def test_two_keys_that_differ_are_refused() -> None:
    """Of a header and of the decoder, whatever the protocol."""
    with pytest.raises(Rejected) as refusal:
        Decode(Lines(), PointAdmission(1000))(request(query=b"k"), b"other")

    assert "two_batch_ids" == refusal.value.code


def test_protocols_share_their_series() -> None:
    """The same series has one number, whichever protocol spelt its labels and in which way."""
    admission = PointAdmission(1000)
    metric = json.dumps({"type": "cache", "hit": True, "name": "L1"}).encode()
    point = {"name": "cache.hit_ratio", "value": 1, "unit": "1", "labels": {"name": "L1"}}

    vitals = admission.admit(AnalyticsMetrics(9).decode(request(metric)), 7, NOW)
    ours = admission.admit(NativePoints(9).decode(request(json.dumps({"points": [point]}).encode())), 7, NOW)
    lines = admission.admit(Lines().decode(request(b"point cache.hit_ratio 1")), 7, NOW)

    assert (vitals.points.slot.tolist(), ["cache.hit_ratio"]) == (ours.points.slot.tolist(), series_of(ours))
    assert vitals.points.slot.tolist() != lines.points.slot.tolist()
