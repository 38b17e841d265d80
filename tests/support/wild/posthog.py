"""Captured events of PostHog's clients."""

from random import Random
from typing import Any

from shared.model.event import MAX_ID, MAX_TYPE
from tests.support.wild import edges
from tests.support.wild.native import vital
from tests.support.wild.wild_body import WildBody

NAMES = ("clicked", "$pageview", "$pageleave", "$exception", "$identify", "$set", "$autocapture")


def batch(chance: Random, now_ms: int) -> WildBody:
    """`POST /batch/`: a batch, a list of events, or one event."""
    made = edges.items(chance, lambda: _captured(chance, now_ms))
    # An event of vitals that holds none says nothing.
    silent = [
        at for at, event in enumerate(made) if isinstance(event, dict) and event.get("event") == "$web_vitals"
    ]
    said: dict[str, Any] = {"api_key": "k", "batch": made}
    if edges.often(chance, 0.4):
        said["sent_at"] = edges.json_time(chance, now_ms)
    query = chance.choice((b"", b"", b"_=%d" % now_ms, b"_=soon&ver=1"))
    return WildBody("/batch/", edges.written(said), len(made), silent, query=query)


def event(chance: Random, now_ms: int) -> WildBody:
    """`POST /i/v0/e/`: one event, whose key stands in its properties or beside them."""
    made = _captured(chance, now_ms)
    if not isinstance(made, dict):
        made = {"event": "clicked"}
    silent = (0,) if made.get("event") == "$web_vitals" else ()
    return WildBody("/i/v0/e/", edges.written({"token": "k"} | made), 1, silent)


def _captured(chance: Random, now_ms: int) -> Any:
    if edges.often(chance, 0.02):
        return edges.anything(chance)
    name = (
        "$web_vitals" if edges.often(chance, 0.2) else chance.choice((*NAMES, edges.text(chance, MAX_TYPE)))
    )
    said = edges.fields(
        chance,
        {
            "uuid": lambda source: source.choice(
                (f"{source.getrandbits(128):032x}", edges.text(source, MAX_ID))
            ),
            "timestamp": lambda source: edges.json_time(source, now_ms),
            "offset": lambda source: source.choice((0, 5_000, -61_000, 2**63, 1.5, True, -(2**63))),
            "distinct_id": lambda source: source.choice((5, "u", edges.text(source, MAX_ID))),
            "properties": lambda source: _properties(source, name, now_ms),
        },
        absent=0.1,
    )
    return {"event": name} | said


def _properties(chance: Random, name: str, now_ms: int) -> Any:
    said: dict[str, Any] = {"$session_id": edges.text(chance, MAX_ID, ("s-1",), 0.95)} | edges.fields(
        chance,
        {
            "$current_url": lambda source: "https://shop.example/" + edges.text(source, 240),
            "$raw_user_agent": lambda source: edges.text(source, 512),
            "$browser": lambda _: "Chrome", "$browser_version": lambda source: source.choice((140, "140")),
            "$insert_id": lambda source: edges.text(source, MAX_ID), "$referrer": lambda source: edges.text(source, 40),
            "token": lambda source: source.choice(("k", "k", "k", "other")),
        },
        odd=0.02,
    )  # fmt: skip
    if name == "$web_vitals":
        for report in (vital(chance, ("LCP", "FCP", "INP")) for _ in range(chance.randint(0, 3))):
            timestamp = edges.json_time(chance, now_ms)
            said[f"$web_vitals_{report['name']}_event"] = report | {"timestamp": timestamp}
            said[f"$web_vitals_{report['name']}_value"] = report["value"]
    elif name == "$exception":
        thrown = {"type": edges.text(chance, 200, ("TypeError",), 0.9), "value": edges.text(chance, 4096)}
        said["$exception_list"] = [thrown | {"mechanism": {"handled": False}}]
    elif edges.often(chance, 0.5):
        given = edges.properties(chance)
        said |= given if isinstance(given, dict) else {}
    return said
