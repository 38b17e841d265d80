"""No body harms a decoder of any protocol, and what one lets in, the readers of the log take.

Every example of every protocol is cut, flipped and repeated; a protocol that is added is tried as well.
`TIDEGAUGE_FLIPS` says how many bodies are tried of each example.
"""

import os

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.gateway.http.problems import Problem
from services.gateway.intake.adapters.intake_batches import Decode
from services.gateway.intake.columns.admit_points import PointAdmission
from services.gateway.intake.protocols import registry
from services.gateway.intake.publish.event_batches import EventBatches, EventIntakeBatch
from services.gateway.intake.publish.point_batches import PointIntakeBatch, cut
from shared.errors import Rejected
from shared.model.labels import labels_of
from shared.model.series import check_kind, check_metric, check_unit
from shared.wire import envelope, events, series
from tests.support.examples import Example, examples

FLIPS = int(os.environ.get("TIDEGAUGE_FLIPS", "60"))
ROUTES = registry.protocol_routes(1000, 1000)
EXAMPLES = list(examples())

edits = st.lists(
    st.tuples(st.floats(0, 1, exclude_max=True), st.binary(max_size=3), st.integers(0, 3)), max_size=4
)


def tried(example: Example, body: bytes) -> None:
    """The body is refused with a code, or what was let in comes out of the log."""
    request = example.request._replace(body=body)
    route = ROUTES[request.path]
    try:
        decoded = Decode(route.decoder, PointAdmission(1000))(request, b"")
    except Rejected as refusal:
        assert refusal.code  # noqa: PT017 - both ends are fine
        return
    except Problem as problem:
        assert problem.status < 500  # noqa: PT017 - both ends are fine
        return
    if decoded.points is not None:
        assert_points_are_read(decoded.points.batch)
    if decoded.events is not None:
        assert_events_are_read(decoded.events.batch)


def assert_points_are_read(batch: PointIntakeBatch) -> None:
    """Every row comes out of the log, and tables take its series."""
    pieces = list(cut([batch], 12)) if len(batch) else []
    records = [
        envelope.encode(envelope.PointBatch("p", 1, batch.received_at_ms, piece.series, piece.points, []))
        for piece in pieces
    ]
    read = [envelope.decode(record, batch.received_at_ms) for record in records]
    assert len(batch) == sum(len(each.points) for each in read)
    for packed in {packed for each in read for packed in each.series}:
        found = series.unpack(packed)
        check_metric(found.metric)
        check_kind(found.kind)
        check_unit(found.unit)
        assert found.labels == labels_of(dict(found.labels))


def assert_events_are_read(batch: EventIntakeBatch) -> None:
    """Every event comes out of the log."""
    messages, _ = EventBatches(3).messages([batch], 0.0, batch.received_at_ms)
    came = [event for _, value in messages for event in events.decode(value, batch.received_at_ms).events]
    assert sorted(event.event_id for event in batch.events) == sorted(event.event_id for event in came)


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.name)
def test_an_example_may_be_cut_at_every_byte(example: Example) -> None:
    """A client that dies in the middle harms nobody; of long bodies, every part of a thousand."""
    body = example.request.body
    for end in range(0, len(body), max(1, len(body) // 300)):
        tried(example, body[:end])


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.name)
def test_no_change_of_an_example_harms_its_decoder(example: Example) -> None:
    """Bytes are exchanged, put in, taken out and repeated at random."""

    @settings(max_examples=FLIPS, suppress_health_check=[HealthCheck.too_slow])
    @given(edits)
    def one(changes: list[tuple[float, bytes, int]]) -> None:
        body = example.request.body
        for place, put, taken in changes:
            at = int(place * len(body))
            body = body[:at] + put + body[at + taken :]
        tried(example, body)

    one()
