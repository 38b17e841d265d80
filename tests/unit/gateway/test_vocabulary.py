"""The vocabulary: what all protocols share has one name, one unit and one form."""

import json
from collections import Counter
from itertools import pairwise
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.gateway.intake.columns.rows import MappedEvent
from services.gateway.intake.protocols import vocabulary
from services.gateway.intake.protocols.vocabulary import EventContext, Frame
from shared.errors import Rejected
from shared.model.event import MAX_PROPERTIES_BYTES

NOW = 1_790_000_000_000
AT = EventContext("s-1", "u-1", {"url": "https://shop.example/cart", "release": ""})


def properties(event: MappedEvent) -> dict[str, object]:
    """The properties of an event."""
    read: dict[str, object] = json.loads(bytes(event.properties))
    return read


@given(
    name=st.sampled_from(sorted(vocabulary.VITALS)),
    steps=st.lists(st.integers(1, 10**6), min_size=1, max_size=6),
    order=st.randoms(use_true_random=False),
    drift=st.floats(0, 1e-12),
)
def test_reports_of_a_vital_count_its_last_value_once(
    name: str, steps: list[int], order: Random, drift: float
) -> None:
    """In whatever order they come, though sums of floats are not exact."""
    scale = 1e7 if name == "CLS" else 1e3
    values = [0.0, *(sum(steps[: at + 1]) / scale + drift for at in range(len(steps)))]
    reports = [(now, now - before) for before, now in pairwise(values)]
    order.shuffle(reports)

    left = Counter[tuple[float, str]]()
    for value, delta in reports:
        for point in vocabulary.vital(name, value, delta):
            left[point.value, point.labels["rating"]] += int(point.weight)

    final = round(values[-1], 9 if name == "CLS" else 6)
    assert {(final, vocabulary.rating_of(name, final)): 1} == {key: n for key, n in left.items() if n}


@pytest.mark.parametrize(
    ("value", "delta", "first", "rows"),
    [
        pytest.param(0, 0, None, [(0, 1)], id="a CLS of 0"),
        pytest.param(0.1, 0.1, None, [(0.1, 1)], id="the first report"),
        pytest.param(0.1, 0.1, False, [(0.1, 1), (0, -1)], id="one that follows a 0"),
        pytest.param(0.1, None, None, [(0.1, 1)], id="no delta"),
    ],
)
def test_a_vital_takes_back_what_came_before_it(
    value: float, delta: float | None, first: bool | None, rows: list[tuple[float, float]]
) -> None:
    """Where the client says that something did."""
    points = vocabulary.vital("CLS", value, delta, first=first)

    assert rows == [(point.value, point.weight) for point in points]


@pytest.mark.parametrize(
    ("value", "delta", "code"),
    [
        pytest.param(None, None, "invalid_value", id="NaN, which JSON writes as null"),
        pytest.param(10**400, None, "value_out_of_range", id="more than a float holds"),
        pytest.param(5, 0, "no_change", id="no change"),
        pytest.param(5, "1", "invalid_delta", id="delta is a text"),
        pytest.param(5, 6, "value_out_of_range", id="less than nothing before"),
    ],
)
def test_a_vital_that_says_nothing_is_refused(value: object, delta: object, code: str) -> None:
    """By the name of its field: a null is not 0."""
    with pytest.raises(Rejected) as refusal:
        vocabulary.vital("LCP", value, delta)

    assert code == refusal.value.code


def test_an_error_has_one_form() -> None:
    """With its context, its stack from the innermost call, and no path of a disk."""
    stack = [
        Frame("pay", "https://shop.example/app.js?v=7#x", 3, 14),
        Frame("", "/home/anna/shop/src/pay.py", 9),
        Frame("run", r"C:\Users\anna\shop\run.py"),
    ]

    error = vocabulary.error(
        "e-1", NOW, AT, type_="TypeError", message="x" * 9999, handled=False, stack=stack
    )

    assert ("e-1", "error", "TypeError", NOW, "s-1", "u-1") == (
        error.fields.event_id, error.fields.type, error.fields.name, error.fields.ts, error.fields.session_id,
        error.fields.user_id,
    )  # fmt: skip
    assert {
        "url": "https://shop.example/cart",
        "type": "TypeError",
        "message": "x" * vocabulary.MAX_MESSAGE,
        "level": "error",
        "handled": False,
        "stack": [
            {"function": "pay", "file": "https://shop.example/app.js", "line": 3, "column": 14},
            {"file": "src/pay.py", "line": 9},
            {"function": "run", "file": "shop/run.py"},
        ],
    } == properties(error)


def test_a_stack_is_cut_to_what_an_event_may_hold() -> None:
    """The innermost calls are kept."""
    stack = [Frame(f"{at}" + "ü" * 200, "https://shop.example/" + "ü" * 300) for at in range(90)]

    error = vocabulary.error("e-1", NOW, AT, type_="E", message="m", stack=stack)

    found = properties(error)["stack"]
    assert isinstance(found, list)
    assert MAX_PROPERTIES_BYTES >= len(bytes(error.properties))
    assert found[0]["function"].startswith("0ü")


def test_logs_views_and_steps_have_one_form() -> None:
    """Levels are in our words, and a step names its funnel."""
    log = vocabulary.log("l-1", NOW, AT, level="WARN", message="slow", attributes={"a": 1})
    view = vocabulary.page_view("p-1", NOW, AT, name="Cart", more={"referrer": "/"})
    step = vocabulary.funnel_step("f-1", NOW, AT, step="Image Upload", more={"a": 1})

    url = {"url": "https://shop.example/cart"}
    assert [
        ("log", "", url | {"level": "warning", "message": "slow", "attributes": {"a": 1}}),
        ("page_view", "Cart", url | {"referrer": "/"}),
        ("funnel_step", "image_upload", url | {"a": 1, "funnel": "effect_creation"}),
    ] == [(each.fields.type, each.fields.name, properties(each)) for each in (log, view, step)]


def test_a_response_time_has_few_labels() -> None:
    """Endpoint without its query, method in capitals, status as text; what is not known is left out."""
    full = vocabulary.api_response(0.25, endpoint="/pay?card=1", method="post", status=500)
    bare = vocabulary.api_response(0.25)

    assert [
        ("api.response_seconds", "delta", "s", {"endpoint": "/pay", "method": "POST", "status": "500"}),
        ("api.response_seconds", "delta", "s", {}),
    ] == [(point.name, point.kind, point.unit, point.labels) for point in (full, bare)]


def test_an_event_of_a_wrong_form_is_refused() -> None:
    """As one of our own protocol is."""
    with pytest.raises(Rejected) as refusal:
        vocabulary.event("click", "x" * 129, NOW, AT)

    assert "invalid_event_id" == refusal.value.code
