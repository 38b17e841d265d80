"""Each protocol shows by examples what its decoders make of a request: `NAME.request` and `NAME.expected.json`."""

import json
from pathlib import Path
from typing import Any

import pytest

from services.gateway.intake.columns.admit_events import AdmittedEvents, admit_events
from services.gateway.intake.columns.admit_points import AdmittedPoints, PointAdmission
from services.gateway.intake.columns.contract import Request
from services.gateway.intake.protocols import registry
from shared.errors import Rejected
from shared.wire.series import unpack

PROTOCOLS = Path(registry.__file__).parent
ROUTES = registry.protocol_routes(1000, 1000)
EXAMPLES = sorted(PROTOCOLS.glob("*/examples/*.request"))
TENANT_ID = 1


def expected_of(example: Path) -> dict[str, Any]:
    """What stands beside an example."""
    read: dict[str, Any] = json.loads(example.with_suffix(".expected.json").read_text())
    return read


def point_rows(found: AdmittedPoints) -> list[dict[str, Any]]:
    """The admitted points; a column that no row needs is left out."""
    points = found.points
    columns = zip(("weight", "start_ms", "distinct", "stream"), points.optional(), strict=True)
    given = {name: column.tolist() for name, column in columns if column is not None}
    series = [unpack(found.catalogue.packed[slot]) for slot in points.slot.tolist()]
    return [
        {
            "metric": one.metric, "kind": one.kind, "unit": one.unit, "labels": dict(one.labels),
            "ts_ms": int(points.ts_ms[row]), "value": float(points.value[row]),
        }
        | {name: column[row] for name, column in given.items()}
        for row, one in enumerate(series)
    ]  # fmt: skip


def event_rows(found: AdmittedEvents) -> list[dict[str, Any]]:
    """The admitted events."""
    return [
        {
            "event_id": event.event_id, "type": event.type, "ts_ms": event.ts_ms, "name": event.name,
            "session_id": event.session_id, "user_id": event.user_id,
            "properties": json.loads(bytes(event.properties)),
        }
        for event in found.events
    ]  # fmt: skip


def outcome(path: str, request: Request) -> dict[str, Any]:
    """What a request becomes on its way into the log."""
    route = ROUTES[path]
    try:
        decoded = route.decoder.decode(request)
    except Rejected as refusal:
        return {"refused_whole": {"code": refusal.code, "message": refusal.message}}
    rows: dict[str, Any] = {}
    rejected = []
    if decoded.points is not None or route.signals == ("points",):
        points = PointAdmission(1000).admit(decoded, TENANT_ID, request.received_at_ms)
        rows |= {"points": point_rows(points), "timed": points.timed}
        rejected += points.rejected
        decoded.refused = []
    if decoded.events is not None:
        events = admit_events(decoded, TENANT_ID, request.received_at_ms)
        rows |= {"events": event_rows(events)}
        rejected += events.rejected
    rejected.sort(key=lambda bad: bad.index)
    refused = [{"index": bad.index, "code": bad.code, "message": bad.message} for bad in rejected]
    return rows | {"refused": refused, "batch_key": decoded.batch_key.decode()}


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: f"{path.parents[1].name}-{path.stem}")
def test_an_example_becomes_what_stands_beside_it(example: Path) -> None:
    """Points, events and refusals, for a request to the path that the example names."""
    expected = expected_of(example)
    path, received_at_ms = expected.pop("path"), expected.pop("received_at_ms")
    headers = [(name.encode(), value.encode()) for name, value in expected.pop("headers", {}).items()]
    query, media = expected.pop("query", "").encode(), expected.pop("media", "").encode()

    request = Request(example.read_bytes(), headers, query, TENANT_ID, received_at_ms, path, media)
    found = outcome(path, request)

    assert expected == found


def test_each_path_has_an_example() -> None:
    """In the folder of the protocol that answers it."""
    shown = {(expected_of(example)["path"], example.parents[1].name) for example in EXAMPLES}

    assert {(path, type(route.decoder).__module__.split(".")[-2]) for path, route in ROUTES.items()} == shown


@pytest.mark.parametrize(
    "folder", sorted(file.parent for file in PROTOCOLS.glob("*/__init__.py")), ids=lambda path: path.name
)
def test_a_protocol_is_a_folder_of_decode_map_and_examples(folder: Path) -> None:
    """So that a newcomer finds them."""
    assert {"decode.py", "map.py", "examples"} <= {path.name for path in folder.iterdir()}
