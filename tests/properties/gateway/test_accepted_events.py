"""Whatever the gateway accepts as an event, ingest can decode: neither refuses what the other lets in."""

import json
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from services.gateway.intake.domain.ledger import admitted
from services.gateway.intake.publish.event_batches import EventBatches, EventIntakeBatch
from shared.errors import Rejected
from shared.wire import events
from tests.support.decoding import AnalyticsDecoding, native_events

NOW = 1_790_000_000_000

texts = st.one_of(
    st.text(max_size=12), st.sampled_from(("a", "funnel_step", "effect_start", "\x00", "\u202e", "x" * 129))
)
bodies = st.one_of(
    st.recursive(
        st.one_of(
            st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), texts
        ),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
        max_leaves=6,
    ),
    st.just({"funnel": "effect_creation"}),
)
said = st.fixed_dictionaries(
    {"event_id": texts, "type": texts},
    optional={
        "name": texts,
        "ts": st.one_of(
            st.integers(NOW - 10, NOW), st.integers(), st.just("2026-01-01T00:00:00Z"), st.none()
        ),
        "session_id": st.one_of(texts, st.none()),
        "user_id": st.one_of(texts, st.none()),
        "properties": bodies,
    },
)


@given(st.lists(said, min_size=1, max_size=4))
@example([{"event_id": "a", "type": "b", "properties": {"n": 10**400}}])
@example([{"event_id": "a", "type": "b", "properties": {"n": 1e-320}}])
def test_what_is_accepted_decodes(sent: list[dict[str, Any]]) -> None:
    """Every event of a body is either refused by index, or comes out of the log as it went in."""
    try:
        found = native_events(1000).decode(json.dumps({"events": sent}).encode(), 7, NOW)
    except Rejected:  # the body as a whole: nothing of it was accepted
        return
    messages, _ = EventBatches(3).messages(
        [EventIntakeBatch(found.events, NOW, admitted(7, len(found.events), found.rejected))], 0.0, NOW
    )

    came = [event for _, value in messages for event in events.decode(value, NOW).events]

    assert len(found.events) + len(found.rejected) == len(sent)
    assert sorted(event.event_id for event in found.events) == sorted(event.event_id for event in came)


@given(st.lists(said, min_size=1, max_size=4))
def test_an_event_is_judged_alike_in_any_company(sent: list[dict[str, Any]]) -> None:
    """All in one go, each by itself, or one by one beside what is no event: the same are taken."""

    def taken(*events: Any) -> list[str]:
        found = native_events(1000).decode(json.dumps({"events": events}).encode(), 7, NOW)
        return [event.event_id for event in found.events]

    alone = [event_id for event in sent for event_id in taken(event)]

    assert alone == taken(*sent) == taken(*sent, 5)


names = st.sampled_from(
    (
        "name", "kind", "type", "value", "unit", "ts", "timestamp", "events", "metrics", "steps", "step", "funnel",
        "eventId", "eventType", "sessionId", "metadata", "hit", "usedJSHeapSize", "jsHeapSizeLimit", "route", "page",
    )
)  # fmt: skip
values = st.one_of(
    bodies,
    st.sampled_from(("LCP", "CLS", "api", "memory", "cache", "ms", "%", "Image Upload", 0, 1, NOW, True)),
)
items = st.one_of(values, st.dictionaries(names, values, max_size=8), st.binary(max_size=9).map(repr))


@given(st.one_of(st.lists(items, max_size=4), items))
def test_no_body_of_older_clients_harms_the_decoder(body: Any) -> None:
    """Whatever it holds, each item is taken or named by index, or the body is refused as a whole."""
    content = json.dumps(body).encode()
    legacy = AnalyticsDecoding(1000)
    for decode, rows in (
        (legacy.metrics, "points"),
        (legacy.legacy_events, "events"),
        (legacy.steps, "events"),
    ):
        try:
            found = decode(content, 7, NOW)
        except Rejected as refused:
            assert refused.code  # noqa: PT017 - both ends are fine
            continue
        outcomes = len(getattr(found, rows)) + len(found.rejected)
        assert outcomes == len(body) if isinstance(body, list) else outcomes > 0
