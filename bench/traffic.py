"""The points that are sent: a pool of series with five labels, about 183 bytes a point as JSON, values lognormal.

Milliseconds. Ours and the naive peer get the same bodies, with times near now.
"""

import json
import random
from collections.abc import Callable
from pathlib import Path
from uuid import UUID

import cramjam

from shared.runtime.clock import now_ms
from tests.support import remote_write

_NAMES = (
    "http.server.duration", "http.server.request.size", "db.client.duration", "queue.depth", "cache.hit",
    "app.screen.load", "ui.frame.time", "checkout.amount",
)  # fmt: skip
_METHODS = ("GET", "POST", "PUT", "DELETE")
_STATUS = ("200", "201", "304", "400", "404", "500")


def pool(size: int, seed: int = 1) -> list[tuple[str, dict[str, str]]]:
    """Distinct series: metric and labels."""
    chance = random.Random(seed)
    found: dict[str, tuple[str, dict[str, str]]] = {}
    while len(found) < size:
        labels = {
            "service": f"svc-{chance.randrange(20):02d}",
            "host": f"host-{chance.randrange(50):03d}.eu-west-1",
            "route": f"/api/v1/resource{chance.randrange(30)}/{{id}}",
            "method": chance.choice(_METHODS),
            "status": chance.choice(_STATUS),
        }
        name = chance.choice(_NAMES)
        found[name + str(labels)] = (name, labels)
    return list(found.values())


def body(series: list[tuple[str, dict[str, str]]], points: int, chance: random.Random) -> bytes:
    """One request's body: points of random series, at times of the last second."""
    now = now_ms()
    rows = []
    for _ in range(points):
        name, labels = chance.choice(series)
        value = round(chance.lognormvariate(3, 1), 4)
        rows.append({"name": name, "ts": now - chance.randrange(1000), "value": value, "labels": labels})
    return json.dumps({"points": rows}, separators=(",", ":")).encode()


def write(
    folder: Path, rows: int, count: int, made: Callable[[], bytes], pack: Callable[[bytes], bytes] = bytes
) -> int:
    """Write `count` bodies of so many rows for the load generator; the bytes of a row before they are packed."""
    folder.mkdir(parents=True, exist_ok=True)
    size = 0
    for number in range(1, count + 1):
        content = made()
        (folder / f"{number}.body").write_bytes(pack(content))
        size += len(content)
    return round(size / rows / count)


def write_bodies(folder: Path, points: int, count: int, seed: int) -> int:
    """Write `count` bodies for the load generator; the bytes of a point."""
    chance, series = random.Random(seed), pool(500)
    return write(folder, points, count, lambda: body(series, points, chance))


def write_remote(folder: Path, points: int, count: int, seed: int) -> int:
    """Write `count` bodies of remote write, a series for each of its samples; the bytes of a point."""
    chance, series = random.Random(seed), pool(500)
    rows = [{"__name__": name} | labels for name, labels in series]

    def made() -> bytes:
        now = now_ms()
        return remote_write.request(
            remote_write.series(
                chance.choice(rows), (round(chance.lognormvariate(3, 1), 4), now - chance.randrange(1000))
            )
            for _ in range(points)
        )

    return write(folder, points, count, made, lambda content: bytes(cramjam.snappy.compress_raw(content)))


def write_events(folder: Path, events: int, count: int, seed: int) -> int:
    """Write `count` bodies of events for the load generator; the bytes of an event."""
    chance = random.Random(seed)
    return write(folder, events, count, lambda: _of_events(chance, events))


def _of_events(chance: random.Random, events: int) -> bytes:
    now = now_ms()
    rows = [
        {
            "event_id": str(UUID(int=chance.getrandbits(128), version=4)),
            "type": chance.choice(("page_view", "click", "search", "share", "error")),
            "name": f"button-{chance.randrange(50)}",
            "ts": now - chance.randrange(1000),
            "session_id": f"session-{chance.randrange(1000)}",
            "user_id": f"user-{chance.randrange(1000)}",
            "properties": {
                "page": f"/effects/{chance.randrange(200)}",
                "browser": "Firefox",
                "width": 1280,
                "took_ms": round(chance.lognormvariate(3, 1), 2),
                "first_visit": chance.random() < 0.3,
            },
        }
        for _ in range(events)
    ]
    return json.dumps({"events": rows}, separators=(",", ":")).encode()
