"""docs/clients/mapping.md: one client's vital, error or response time is the same whichever door it took."""

import json
import re
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from types import ModuleType
from typing import Any

import pytest

from services.gateway.intake.columns.admit_events import admit_events
from services.gateway.intake.columns.admit_points import PointAdmission
from services.gateway.intake.columns.contract import Request, RequestColumns
from services.gateway.intake.protocols import vocabulary
from services.gateway.intake.protocols.registry import protocol_routes
from shared.model.event import ERROR, FUNNEL_STEP
from shared.wire.series import unpack
from tests.support import doors
from tests.support.doors.sent import ERROR_ROW, RECEIVED_AT_MS, RESPONSE_ROW, VITAL_ROW, Sent

ROUTES = protocol_routes(1000, 1000)
DOORS = {
    found.name: import_module(f"tests.support.doors.{found.name}")
    for found in iter_modules(doors.__path__)
    if found.name != "sent"
}
ROOT = Path(__file__).parents[3]
COLUMNS = ("VITAL", "ERROR", "RESPONSE")
NONE = "–"


def decoded(sent: Sent) -> RequestColumns:
    """What the decoder of a door makes of a request."""
    given = {
        "body": sent.body, "headers": sent.headers, "query": sent.query, "tenant_id": 1,
        "received_at_ms": RECEIVED_AT_MS, "path": sent.path or sent.route, "media": sent.media,
    }  # fmt: skip
    request = Request(**given)
    return ROUTES[sent.route].decoder.decode(request)


def points(sent: Sent) -> list[dict[str, Any]]:
    """The points that a request brings."""
    found = PointAdmission(1000).admit(decoded(sent), 1, RECEIVED_AT_MS)
    assert [] == found.rejected
    series = [unpack(found.catalogue.packed[slot]) for slot in found.points.slot.tolist()]
    return [
        {"metric": one.metric, "kind": one.kind, "unit": one.unit, "value": value, "labels": dict(one.labels)}
        for one, value in zip(series, found.points.value.tolist(), strict=True)
    ]


def events(sent: Sent) -> list[dict[str, Any]]:
    """The events that a request brings, with no more properties than the table names."""
    found = admit_events(decoded(sent), 1, RECEIVED_AT_MS)
    assert [] == found.rejected
    read = [json.loads(bytes(event.properties)) for event in found.events]
    return [
        {
            "type": event.type, "name": event.name, "session_id": event.session_id, "ts_ms": event.ts_ms,
            "properties": {name: said.get(name) for name in ERROR_ROW["properties"]},
        }
        for event, said in zip(found.events, read, strict=True)
    ]  # fmt: skip


def with_a(column: str) -> list[Any]:
    """The doors that have a place for it."""
    return [
        pytest.param(getattr(door, column), id=name) for name, door in DOORS.items() if getattr(door, column)
    ]


@pytest.mark.parametrize("sent", with_a("VITAL"))
def test_a_vital_is_the_same_point_by_every_door(sent: Sent) -> None:
    """Name, unit, value, rating, page and type of navigation."""
    assert [VITAL_ROW] == points(sent)


@pytest.mark.parametrize("sent", with_a("RESPONSE"))
def test_a_response_time_is_the_same_point_by_every_door(sent: Sent) -> None:
    """In seconds, by endpoint, method and status."""
    assert [RESPONSE_ROW] == points(sent)


@pytest.mark.parametrize("sent", with_a("ERROR"))
def test_an_error_is_the_same_event_by_every_door(sent: Sent) -> None:
    """With its type, message, level, session and page, and whether it was caught."""
    assert [ERROR_ROW] == events(sent)


def table(title: str) -> list[list[str]]:
    """The rows of a table of the page, below its head."""
    text = (ROOT / "docs/clients/mapping.md").read_text()
    section = re.search(rf"^## {title}\n(.*?)(?=^## |\Z)", text, re.DOTALL | re.MULTILINE)
    assert section, title
    rows = [line for line in section[1].splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in rows[2:]]


def cells(door: ModuleType) -> list[bool]:
    """What a door has a place for."""
    return [getattr(door, column) is not None for column in COLUMNS]


def test_the_page_has_a_row_for_each_door() -> None:
    """And says of each what it has no place for."""
    found = {row[0].strip("`"): [cell != NONE for cell in row[2:]] for row in table("Doors")}

    assert {name: cells(door) for name, door in DOORS.items()} == found


def test_the_page_names_every_metric_and_event_that_doors_share() -> None:
    """As the vocabulary has them, and no others."""
    metrics = {row[0].strip("`") for row in table("Metrics")}
    types = {row[0].strip("`") for row in table("Events")}

    assert {f"web_vital.{name.lower()}" for name in vocabulary.VITALS} | vocabulary.METRICS == metrics
    assert {ERROR, FUNNEL_STEP} | vocabulary.TYPES == types


def test_the_page_says_the_limits_of_the_ratings() -> None:
    """Up to where a vital is good, and up to where it needs improvement."""
    rows = {row[0].strip("`"): row[3] for row in table("Metrics")}

    for name, (good, fair) in vocabulary.VITALS.items():
        assert f"good up to {good:,}, poor above {fair:,}" in rows[f"web_vital.{name.lower()}"]
