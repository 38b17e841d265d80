"""Reports of web vitals at their edges land alike by every door that pages use. Milliseconds UTC."""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest

from services.gateway.intake.columns.admit_points import PointAdmission
from services.gateway.intake.columns.contract import Request
from services.gateway.intake.protocols.registry import protocol_routes
from shared.wire.series import unpack
from tests.support.doors.sent import PAGE, RECEIVED_AT_MS, TS_MS, Sent
from tests.support.wild import edges

ROUTES = protocol_routes(100, 100)
NOTHING = object()
FAIR = "needs-improvement"


class Report(NamedTuple):
    """What the web-vitals library reports."""

    name: str
    value: object
    delta: object = NOTHING
    navigation: object = NOTHING
    rating: object = NOTHING


def said(report: Report, **names: str) -> dict[str, Any]:
    """The fields that the report has, under a door's own names."""
    found = {names[field]: getattr(report, field) for field in names}
    return {name: value for name, value in found.items() if value is not NOTHING}


def beacon(report: Report) -> Sent:
    """The object of the library."""
    fields = said(
        report, name="name", value="value", delta="delta", navigation="navigationType", rating="rating"
    )
    return Sent("/v1/vitals", edges.written(fields | {"id": "v5-1", "navigationURL": PAGE}))


def browser(report: Report) -> Sent:
    """An item of our browser client."""
    fields = said(
        report, name="name", value="value", delta="delta", navigation="navigationType", rating="rating"
    )
    item = fields | {"kind": "vital", "ts": TS_MS, "page": PAGE}
    return Sent("/v1/browser", edges.written({"items": [item]}))


def faro(report: Report) -> Sent:
    """A measurement of Grafana Faro."""
    values = said(report, value=report.name.lower(), delta="delta")
    context = said(report, navigation="navigation_type", rating="rating")
    item = {"type": "web-vitals", "values": values, "context": context}
    return Sent("/collect/{key}", edges.written({"meta": {"page": {"url": PAGE}}, "measurements": [item]}))


def analytics(report: Report) -> Sent:
    """A metric of the source documents."""
    fields = said(
        report, name="name", value="value", delta="delta", navigation="navigationType", rating="rating"
    )
    return Sent(
        "/api/analytics/performance/metrics", edges.written(fields | {"page": PAGE, "timestamp": TS_MS})
    )


def posthog(report: Report) -> Sent:
    """An event of PostHog."""
    fields = said(
        report, name="name", value="value", delta="delta", navigation="navigationType", rating="rating"
    )
    vital = {f"$web_vitals_{report.name}_event": fields | {"navigationURL": PAGE}}
    return Sent("/i/v0/e/", edges.written({"api_key": "k", "event": "$web_vitals", "properties": vital}))


DOORS = (beacon, browser, faro, analytics, posthog)
"""Of pages; the name of a vital is in capitals, but for Faro."""


def landed(sent: Sent) -> list[Any]:
    """Value, weight and labels of each point, or the codes of the refusals."""
    request = Request(sent.body, [], sent.query, 1, RECEIVED_AT_MS, sent.route, sent.media)
    found = PointAdmission(100).admit(ROUTES[sent.route].decoder.decode(request), 1, RECEIVED_AT_MS)
    points = found.points
    weight = [1.0] * len(points) if points.weight is None else points.weight.tolist()
    series = [unpack(found.catalogue.packed[slot]) for slot in points.slot.tolist()]
    rows = zip(series, points.value.tolist(), weight, strict=True)
    return [
        (one.metric, value, each, dict(one.labels) | {"page": "here"})
        for one, value, each in rows
        if ("page", PAGE) in one.labels
    ] + [refusal.code for refusal in found.rejected]


def row(value: float, rating: str, weight: float = 1.0, name: str = "cls", **labels: str) -> Any:
    """A point as it must land."""
    return f"web_vital.{name}", value, weight, {"rating": rating, "page": "here"} | labels


@pytest.mark.parametrize("door", DOORS, ids=lambda door: door.__name__)
@pytest.mark.parametrize(
    ("report", "rows"),
    [
        pytest.param(Report("CLS", 0, 0), [row(0, "good")], id="no shift at all"),
        pytest.param(Report("CLS", 0), [row(0, "good")], id="no shift and no delta"),
        pytest.param(Report("CLS", 1.75, 1.75), [row(1.75, "poor")], id="a shift above one"),
        pytest.param(Report("CLS", 100, 100), [row(100, "poor")], id="the largest shift"),
        pytest.param(Report("CLS", 100.000001, 100), ["value_out_of_range"], id="more than that"),
        pytest.param(Report("CLS", 0.1, 0.1), [row(0.1, "good")], id="just good"),
        pytest.param(Report("CLS", 0.100000001, 0.1), [row(0.100000001, FAIR), row(1e-9, "good", -1)], id="no more"),
        pytest.param(Report("CLS", 0.3, 0.1), [row(0.3, "poor"), row(0.2, FAIR, -1)], id="a shift that grows"),
        pytest.param(Report("CLS", 0.3, 0), ["no_change"], id="a shift that was said before"),
        pytest.param(Report("CLS", 0.3, 0.4), ["value_out_of_range"], id="a delta above the value"),
        pytest.param(Report("CLS", -0.1, -0.1), ["value_out_of_range"], id="below nothing"),
        pytest.param(Report("CLS", None, 0), ["invalid_value"], id="null"),
        pytest.param(Report("CLS", "0.1", 0), ["invalid_value"], id="a text"),
        pytest.param(Report("CLS", True, 0), ["invalid_value"], id="a bool"),
        pytest.param(Report("CLS", 0.1, "0.1"), ["invalid_delta"], id="a delta that is a text"),
        pytest.param(Report("CLS", 0.1, None), [row(0.1, "good")], id="a delta that is null"),
        pytest.param(Report("CLS", 0.3, 0.3, rating="good"), [row(0.3, "poor")], id="a rating that is wrong"),
        pytest.param(Report("CLS", 0.3, 0.3, rating=None), [row(0.3, "poor")], id="a rating that is null"),
        pytest.param(Report("LCP", 0, 0), [row(0, "good", name="lcp")], id="shown at once"),
        pytest.param(
            Report("TTFB", 0, 0, "prerender"),
            [row(0, "good", name="ttfb", navigation_type="prerender")],
            id="prerendered",
        ),
        pytest.param(
            Report("INP", 136, -192), [row(136, "good", name="inp"), row(328, FAIR, -1, "inp")], id="an INP that falls"
        ),
        pytest.param(Report("INP", 900_000, 900_000), [row(900_000, "poor", name="inp")], id="a quarter of an hour"),
        pytest.param(Report("INP", 900_000.1, 1), ["value_out_of_range"], id="longer"),
        *(
            pytest.param(Report("CLS", 0, 0, kind), [row(0, "good", navigation_type=kind)], id=kind)
            for kind in ("navigate", "reload", "back-forward", "back-forward-cache", "restore", "soft-navigation")
        ),
        pytest.param(Report("CLS", 0, 0, None), [row(0, "good")], id="a navigation that is null"),
        pytest.param(Report("CLS", 0, 0, ""), [row(0, "good")], id="a navigation that is empty"),
        pytest.param(Report("CLS", 0, 0, {}), [row(0, "good")], id="a navigation that is no text"),
    ],
)  # fmt: skip
def test_a_vital_at_its_edges_lands_alike_by_every_door(
    door: Callable[[Report], Sent], report: Report, rows: list[Any]
) -> None:
    """A value of nothing is a value; the rating is computed here; the kind of navigation is a label."""
    assert rows == landed(door(report))


@pytest.mark.parametrize("door", DOORS, ids=lambda door: door.__name__)
@pytest.mark.parametrize("value", [math.nan, math.inf], ids=["NaN", "Infinity"])
def test_a_vital_that_is_no_number_is_refused_by_every_door(
    door: Callable[[Report], Sent], value: float
) -> None:
    """JSON has no word for it, and it is no 0."""
    assert 1 == len(codes := landed(door(Report("CLS", value, 0))))
    assert isinstance(codes[0], str)
