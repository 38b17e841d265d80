"""Bodies with very many parts: no more is made of them than may be kept, and what is too much is named."""

import json

import pytest

from services.gateway.intake.protocols.faro.map import MAX_VALUES
from services.gateway.intake.protocols.vocabulary import MAX_FRAMES
from shared.wire.versions import NEW
from tests.support.pipeline import LIMIT, Pipeline, Verdict
from tests.support.wild import edges
from tests.support.wild.wild_body import WildBody

NOW = 1_790_000_003_000
ENVELOPE = "/api/{project}/envelope/"
FRAMES = [{"function": f"f{at}"} for at in range(2 * MAX_FRAMES)]


def envelope(type_: str, payload: object) -> WildBody:
    """An envelope of one item."""
    return WildBody(
        ENVELOPE, b'{}\n{"type":"%b"}\n%b' % (type_.encode(), edges.written(payload)), 1, media=b""
    )


def faro(kind: str, *items: object) -> WildBody:
    """A payload of one list."""
    return WildBody("/collect/{key}", edges.written({"meta": {}, kind: items}), len(items))


def posthog(properties: object) -> WildBody:
    """An exception."""
    body = {"api_key": "k", "event": "$exception", "properties": properties}
    return WildBody("/i/v0/e/", edges.written(body), 1)


def posted(sent: WildBody) -> Verdict | str:
    """What becomes of a body."""
    return Pipeline(NEW).post(sent.path, sent.request(7, NOW))


@pytest.mark.parametrize(
    "sent",
    [
        pytest.param(envelope("log", {"items": [{}] * (LIMIT + 1)}), id="records of a list"),
        pytest.param(
            WildBody(ENVELOPE, b"{}\n" + b'{"type":"log"}\n{"body":"a"}\n' * (LIMIT + 1), 1, media=b""),
            id="items",
        ),
        pytest.param(faro("logs", *[{}] * (LIMIT + 1)), id="items of Faro"),
    ],
)
def test_too_many_records_refuse_the_body(sent: WildBody) -> None:
    """Before anything is made of them."""
    assert "too_many_events" == posted(sent)


def test_a_record_has_no_more_rows_than_a_request() -> None:
    """The spans of a transaction are answers to requests."""
    span = {"op": "http.client", "start_timestamp": NOW / 1000 - 1, "timestamp": NOW / 1000}

    assert "too_many_points" == posted(
        envelope("transaction", {"timestamp": NOW / 1000, "spans": [span] * (LIMIT + 1)})
    )


@pytest.mark.parametrize(
    ("values", "verdict"),
    [(MAX_VALUES, Verdict({0}, {})), (MAX_VALUES + 1, Verdict(set(), {0: "invalid_values"}))],
)
def test_a_measurement_has_so_many_values(values: int, verdict: Verdict) -> None:
    """One item is no way around the limit of points."""
    measured = {"type": "own", "values": {f"v{at}": at for at in range(values)}}

    assert verdict == posted(faro("measurements", measured))


THROWN = {"type": "E", "value": "m", "stacktrace": {"frames": FRAMES}}


@pytest.mark.parametrize(
    ("sent", "innermost"),
    [
        pytest.param(faro("exceptions", THROWN), FRAMES[:MAX_FRAMES], id="faro"),
        pytest.param(
            envelope("event", {"exception": {"values": [THROWN]}}), FRAMES[::-1][:MAX_FRAMES], id="sentry"
        ),
        pytest.param(posthog({"$exception_list": [THROWN]}), FRAMES[::-1][:MAX_FRAMES], id="posthog"),
    ],
)  # fmt: skip
def test_of_a_long_stack_the_innermost_calls_are_kept(
    sent: WildBody, innermost: list[dict[str, str]]
) -> None:
    """Whichever end a client writes first."""
    pipeline = Pipeline(NEW)
    pipeline.post(sent.path, sent.request(7, NOW))

    (event,) = pipeline.stored
    assert innermost == json.loads(bytes(event.properties))["stack"]
