"""Bodies of Sentry's and PostHog's clients: whatever bytes are changed, the decoder answers and loses no neighbour."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.gateway.http.problems import Problem
from services.gateway.intake.columns.admit_events import admit_events
from services.gateway.intake.columns.admit_points import PointAdmission
from services.gateway.intake.columns.contract import Decoder, Request
from services.gateway.intake.protocols import registry
from services.gateway.intake.protocols.posthog.body import keys_of, opened
from services.gateway.intake.protocols.posthog.decode import Capture
from services.gateway.intake.protocols.sentry.decode import SentryEnvelopes
from shared.errors import Rejected
from shared.wire import events

NOW = 1_760_000_001_000
EXAMPLES = Path(registry.__file__).parent
DECODERS: dict[str, Decoder] = {"sentry": SentryEnvelopes(1000, 1000), "posthog": Capture(1000, 1000)}
WHOLE = {
    name: [each.read_bytes() for each in sorted((EXAMPLES / name / "examples").glob("*.request"))]
    for name in DECODERS
}
PIECES = st.sampled_from(
    [b"", b"\n", b"{", b"}", b'"', b"[", b"0", b"-", b"1e999", b"null", b"\\ud800", b"\xff", b"\x00"]
)


def taken(decoder: Decoder, body: bytes) -> None:
    """What is admitted of a body must be read by ingest again."""
    request = Request(body, [], b"", 7, NOW)
    try:
        columns = decoder.decode(request)
    except Rejected:
        return
    PointAdmission(1000).admit(columns, 7, NOW)
    admitted = admit_events(columns, 7, NOW).events
    sent = events.encode(events.EventBatch(NOW, admitted), 5)
    assert admitted == events.decode(sent, NOW).events


@pytest.mark.parametrize("name", DECODERS)
@given(data=st.data())
def test_a_changed_body_harms_nobody(name: str, data: st.DataObject) -> None:
    """Some bytes of a real one are cut out or replaced."""
    body = data.draw(st.sampled_from(WHOLE[name]))
    at = data.draw(st.integers(0, len(body)))
    end = data.draw(st.integers(at, min(len(body), at + 40)))

    taken(DECODERS[name], body[:at] + data.draw(PIECES) + body[end:])


@pytest.mark.parametrize("name", DECODERS)
@given(body=st.binary(max_size=200))
def test_any_bytes_are_answered(name: str, body: bytes) -> None:
    """Taken or refused."""
    taken(DECODERS[name], body)


@given(
    head=st.sampled_from([b"", b"\x1f\x8b", b"data=", b"{", b'[{"properties":']), rest=st.binary(max_size=100)
)
def test_any_bytes_are_opened_or_refused(head: bytes, rest: bytes) -> None:
    """And searched for a key."""
    status = 200
    try:
        keys_of(opened(head + rest, 1000))
    except Problem as problem:
        status = problem.status

    assert status in {200, 400, 413}
