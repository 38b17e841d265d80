"""What pages post: beacons of web vitals, payloads of Faro, batches of our browser client."""

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.gateway.http.problems import Problem
from services.gateway.intake.columns.admit_events import admit_events
from services.gateway.intake.columns.admit_points import PointAdmission
from services.gateway.intake.columns.client_clock import TOLERANCE_MS, clock_error_ms
from services.gateway.intake.columns.contract import Request, RequestColumns
from services.gateway.intake.protocols import registry
from services.gateway.intake.protocols.browser.dialect import BrowserDialect, recognised
from services.gateway.intake.protocols.browser.map import frames_of
from services.gateway.intake.protocols.dialect import Asked
from services.gateway.intake.protocols.faro.dialect import FaroDialect
from services.gateway.intake.protocols.vocabulary import Frame
from shared.errors import Rejected
from tests.support.doors import browser, faro

NOW = 1_760_000_001_000
ROUTES = registry.protocol_routes(1000, 1000)
PATHS = ("/v1/vitals", "/collect/{key}", "/v1/browser")
EXAMPLES = {
    path: (Path(registry.__file__).parent / name).read_bytes()
    for path, name in zip(
        PATHS,
        (
            "beacon/examples/vitals.request",
            "faro/examples/everything.request",
            "browser/examples/everything.request",
        ),
        strict=True,
    )
}

anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


def decoded(path: str, body: bytes, query: bytes = b"", tenant_id: int = 1) -> RequestColumns:
    """What the decoder of a path makes of a body."""
    return ROUTES[path].decoder.decode(Request(body, [], query, tenant_id, NOW, path, b"text/plain"))


def admitted(columns: RequestColumns) -> int:
    """How many rows of a request may enter."""
    points = PointAdmission(1000).admit(columns, 1, NOW).points
    return len(points) + len(admit_events(columns, 1, NOW).events)


@pytest.mark.parametrize("path", PATHS)
def test_a_body_that_is_cut_is_refused_whole(path: str) -> None:
    """At every byte, by a code, and never by an exception of another kind."""
    body = EXAMPLES[path].rstrip()
    codes = set()
    for end in range(len(body)):
        with pytest.raises(Rejected) as refusal:
            decoded(path, body[:end])
        codes.add(refusal.value.code)

    assert codes <= {"malformed_json", "invalid_body", "invalid_items", "invalid_sample_rate"}


def paths_in(document: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The ways to all values in a document."""
    inner = (
        document.items()
        if isinstance(document, dict)
        else enumerate(document)
        if isinstance(document, list)
        else ()
    )
    return [path] + [path_to for key, value in inner for path_to in paths_in(value, (*path, key))]


def replaced(document: Any, path: tuple[Any, ...], value: Any) -> Any:
    """The document with another value at a path_to."""
    if not path:
        return value
    copy = dict(document) if isinstance(document, dict) else list(document)
    copy[path[0]] = replaced(copy[path[0]], path[1:], value)
    return copy


@pytest.mark.parametrize("path", PATHS)
@given(data=st.data())
def test_a_value_of_any_type_harms_no_neighbour(path: str, data: st.DataObject) -> None:
    """In any field of an item, it is taken or refused by itself, and what is taken can be stored."""
    document = json.loads(EXAMPLES[path])
    items = [
        each
        for each in paths_in(document)
        if len(each) > 2 - isinstance(document, list) and each[0] != "meta"
    ]
    path_to = data.draw(st.sampled_from(items))
    changed = replaced(document, path_to, data.draw(anything))
    before = admitted(decoded(path, EXAMPLES[path], b"sent_at=1760000101000"))

    columns = decoded(path, json.dumps(changed).encode(), b"sent_at=1760000101000")

    assert before - admitted(columns) <= 2


@pytest.mark.parametrize(
    "make", [faro._payload, lambda _, item: browser._batch(item)], ids=["faro", "browser"]
)
def test_equal_items_of_two_visitors_are_two(make: Callable[..., Any]) -> None:
    """An id that is made of content knows the session; the ids of our own client are drawn."""
    first = make("events", {"name": "buy", "attributes": {}, "kind": "event", "type": "buy", "id": "a"}).body
    second = first.replace(b"s-1", b"s-2").replace(b'"id":"a"', b'"id":"b"')
    path = "/collect/{key}" if b"meta" in first else "/v1/browser"

    ids = [decoded(path, body).events.event_id[0] for body in (first, first, second)]

    assert (ids[0], True) == (ids[1], ids[0] != ids[2])


def test_the_key_of_faro_is_in_the_address() -> None:
    """One in a header must be the same."""
    dialect = FaroDialect()

    assert b"write" == dialect.key(Asked("/collect/write", b"", []))
    assert b"write" == dialect.key(Asked("/collect/write", b"", [(b"x-api-key", b"write")]))
    with pytest.raises(Problem) as problem:
        dialect.key(Asked("/collect/write", b"", [(b"x-api-key", b"other")]))
    assert "two_keys" == problem.value.code


def test_a_body_of_the_browser_client_says_by_its_bytes_whether_it_is_gzip() -> None:
    """So that no header makes the browser ask first; the limit is that of what comes out."""
    body = b'{"items":[]}' * 100

    assert (body, body) == (recognised(body, 1200), recognised(gzip.compress(body), 1200))
    for sent in (body, gzip.compress(body)):
        with pytest.raises(Problem) as problem:
            BrowserDialect().encodings[b""](sent, 1199)
        assert "body_too_large" == problem.value.code


@pytest.mark.parametrize(
    ("stack", "frames"),
    [
        pytest.param(
            "TypeError: x is undefined\n    at Cart.pay (https://a.b/app.js:3:14)\n    at async https://a.b/app.js:9:1",
            [Frame("Cart.pay", "https://a.b/app.js", 3, 14)], id="V8",
        ),
        pytest.param(
            "pay@https://a.b/app.js:3:14\n@https://a.b/app.js:9:1\n[native code]",
            [Frame("pay", "https://a.b/app.js", 3, 14), Frame("", "https://a.b/app.js", 9, 1)], id="SpiderMonkey",
        ),
        pytest.param("    at <anonymous>:1:7", [Frame("", "<anonymous>", 1, 7)], id="the console"),
        pytest.param("at " + "x" * 10**6 + ":1", [], id="endless"),
        pytest.param("", [], id="none"),
    ],
)  # fmt: skip
def test_a_stack_is_read_as_browsers_write_it(stack: str, frames: list[Frame]) -> None:
    """Lines of another form are passed over."""
    assert frames == frames_of(stack)


@pytest.mark.parametrize(
    ("sent_at_ms", "error_ms"),
    [
        pytest.param(None, 0, id="not said"),
        pytest.param(NOW - TOLERANCE_MS, 0, id="on its way"),
        pytest.param(NOW - TOLERANCE_MS - 1, TOLERANCE_MS + 1, id="a clock behind"),
        pytest.param(NOW + 3_600_000, -3_600_000, id="a clock ahead"),
    ],
)
def test_a_wrong_clock_is_known_by_the_time_of_sending(sent_at_ms: int | None, error_ms: int) -> None:
    """What a request may take on its way says nothing of the clock."""
    assert error_ms == clock_error_ms(sent_at_ms, NOW)


@pytest.mark.parametrize(
    ("query", "ts_ms"),
    [
        pytest.param(b"sent_at=" + b"%d" % (NOW + 9e6), NOW - 9_000_000, id="a clock ahead"),
        pytest.param(b"sent_at=soon", NOW, id="no number"),
        pytest.param(b"sent_at=" + b"9" * 99, NOW, id="no time"),
        pytest.param(b"", NOW, id="not said"),
    ],
)
def test_the_times_of_a_batch_are_corrected_as_a_whole(query: bytes, ts_ms: int) -> None:
    """By the time in the address."""
    body = json.dumps({"items": [{"kind": "event", "id": "a", "type": "buy", "ts": NOW}]}).encode()

    columns = decoded("/v1/browser", body, query)

    assert columns.events is not None
    assert [ts_ms] == columns.events.ts_ms


@pytest.mark.parametrize(
    ("body", "code"),
    [
        pytest.param({"items": []}, "no_events", id="nothing"),
        pytest.param({"items": [1] * 1001}, "too_many_events", id="too many"),
        pytest.param({}, "invalid_items", id="no items"),
        pytest.param({"items": [1], "sample_rate": 0}, "invalid_sample_rate", id="a rate of 0"),
        pytest.param({"items": [1], "sample_rate": 1.1}, "invalid_sample_rate", id="a rate above 1"),
        pytest.param({"items": [1], "batch_id": ""}, "invalid_batch_id", id="an empty id"),
        pytest.param({"items": [1], "session_id": 7}, "invalid_session_id", id="a session that is a number"),
    ],
)
def test_a_batch_that_is_none_is_refused_whole(body: dict[str, Any], code: str) -> None:
    """By the field that is wrong."""
    with pytest.raises(Rejected) as refusal:
        decoded("/v1/browser", json.dumps(body).encode())

    assert code == refusal.value.code
