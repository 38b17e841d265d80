"""The bodies that Faro's, Sentry's and PostHog's clients send, as load: payloads, errors, lines of a log, batches.

Milliseconds UTC. Sizes and fields are those that the clients were seen to send; each item becomes one event.
"""

import random
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import orjson

from bench.traffic import write
from shared.runtime.clock import now_ms

KEY = b"{key}"
"""What stands where the key of the tenant belongs."""

AGENT = (
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0 Safari/537.36"
)

Body = Callable[[random.Random, int], bytes]


def _written(folder: Path, rows: int, count: int, seed: int, body: Body) -> int:
    """Write `count` bodies of so many events; the bytes of an event."""
    chance = random.Random(seed)
    return write(folder, rows, count, lambda: body(chance, rows))


def write_faro(folder: Path, rows: int, count: int, seed: int) -> int:
    """Payloads of a page: of ten items six are events, three lines of a log and one an exception."""
    return _written(folder, rows, count, seed, _faro)


def write_sentry_errors(folder: Path, rows: int, count: int, seed: int) -> int:
    """Envelopes of one error each, as SDKs send them."""
    return _written(folder, rows, count, seed, _sentry_error)


def write_sentry_logs(folder: Path, rows: int, count: int, seed: int) -> int:
    """Envelopes of lines of a log; an SDK collects up to a hundred."""
    return _written(folder, rows, count, seed, _sentry_logs)


def write_posthog(folder: Path, rows: int, count: int, seed: int) -> int:
    """Batches of captured events, with the key in the body."""
    return _written(folder, rows, count, seed, _posthog)


def _faro(chance: random.Random, rows: int) -> bytes:
    items: dict[str, list[Any]] = {"events": [], "logs": [], "exceptions": []}
    for number in range(rows):
        at = {
            "timestamp": _instant(chance),
            "trace": {"trace_id": _hex(chance, 128), "span_id": _hex(chance, 64)},
        }
        if number % 10 < 6:
            said = {"element": f"button-{chance.randrange(50)}", "value": str(chance.randrange(10_000))}
            items["events"].append({"name": "click", "domain": "browser", "attributes": said} | at)
        elif number % 10 < 9:
            message = f"cart {chance.randrange(100_000)} has {chance.randrange(9)} items"
            items["logs"].append({"message": message, "level": "info", "context": {"source": "cart"}} | at)
        else:
            frames = [
                {
                    "filename": f"https://shop.example/{each}.js",
                    "function": f"f{each}",
                    "lineno": each,
                    "colno": 7,
                }
                for each in range(8)
            ]
            value = f"x{chance.randrange(99)} is undefined"
            thrown = {"type": "TypeError", "value": value, "stacktrace": {"frames": frames}}
            items["exceptions"].append(thrown | at)
    meta = {
        "app": {"name": "shop", "version": "4.2.1", "environment": "production"},
        "browser": {
            "name": "Chrome",
            "version": "120.0.0.0",
            "os": "Linux",
            "mobile": False,
            "userAgent": AGENT,
        },
        "page": {"url": f"https://shop.example/p/{chance.randrange(900)}"},
        "session": {"id": _hex(chance, 80)},
        "sdk": {"name": "faro-core", "version": "1.19.0"},
    }
    return orjson.dumps({"meta": meta, "measurements": []} | items)


def _sentry_error(chance: random.Random, rows: int) -> bytes:
    parts = []
    for _ in range(rows):
        event_id = _hex(chance, 128)
        frames = [
            {
                "filename": f"shop/part{each}.py", "function": f"f{each}", "module": f"shop.part{each}",
                "abs_path": f"/srv/app/shop/part{each}.py", "lineno": 10 + each, "context_line": "    return total",
                "pre_context": ["def f():", "    total = 0"], "post_context": ["", "class Cart:"],
                "in_app": True, "vars": {"total": "0"},
            }
            for each in range(12)
        ]  # fmt: skip
        crumb = {"type": "http", "category": "httplib", "data": {"code": 200}, "timestamp": _text(chance)}
        event = {
            "event_id": event_id, "timestamp": _text(chance), "level": "error", "platform": "python",
            "release": "shop@4.2.1", "environment": "production", "server_name": "web-3", "transaction": "checkout",
            "user": {"id": f"user-{chance.randrange(1000)}"}, "tags": {"shop": "eu", "tier": "gold"},
            "exception": {"values": [{
                "type": "KeyError", "value": f"'item-{chance.randrange(99)}'", "module": "builtins",
                "mechanism": {"type": "django", "handled": False}, "stacktrace": {"frames": frames},
            }]},
            "breadcrumbs": {"values": [crumb] * 10}, "sdk": {"name": "sentry.python", "version": "2.75.0"},
            "contexts": {"trace": {"trace_id": _hex(chance, 128), "span_id": _hex(chance, 64)}},
            "modules": {f"package-{each}": "1.2.3" for each in range(20)},
        }  # fmt: skip
        parts += [_item("event", orjson.dumps(event))]
    return _envelope(chance, parts)


def _sentry_logs(chance: random.Random, rows: int) -> bytes:
    lines = [
        {
            "timestamp": _millis(chance) / 1000, "trace_id": _hex(chance, 128), "level": "info",
            "body": f"cart {chance.randrange(100_000)} has {chance.randrange(9)} items",
            "attributes": {
                "sentry.release": {"value": "shop@4.2.1", "type": "string"},
                "sentry.environment": {"value": "production", "type": "string"},
                "cart.items": {"value": chance.randrange(9), "type": "integer"},
                "logger.name": {"value": "shop.cart", "type": "string"},
            },
        }
        for _ in range(rows)
    ]  # fmt: skip
    return _envelope(chance, [_item("log", orjson.dumps({"items": lines}), b',"item_count":%d' % rows)])


def _posthog(chance: random.Random, rows: int) -> bytes:
    events = [
        {
            "event": chance.choice(("$pageview", "added to cart", "search", "$autocapture")),
            "uuid": str(UUID(int=chance.getrandbits(128), version=4)), "timestamp": _text(chance),
            "distinct_id": f"user-{chance.randrange(1000)}",
            "properties": {
                "token": KEY.decode(), "$session_id": f"session-{chance.randrange(1000)}",
                "$current_url": f"https://shop.example/p/{chance.randrange(900)}", "$browser": "Chrome",
                "$browser_version": 120, "$os": "Linux", "$lib": "web", "$lib_version": "1.449.0",
                "$raw_user_agent": AGENT, "$device_type": "Desktop", "$screen_width": 1280, "title": "Shop",
                "price": round(chance.lognormvariate(3, 1), 2), "items": chance.randrange(9), "coupon": "autumn",
            },
        }
        for _ in range(rows)
    ]  # fmt: skip
    return orjson.dumps({"api_key": KEY.decode(), "batch": events, "sent_at": _text(chance)})


def _envelope(chance: random.Random, items: list[bytes]) -> bytes:
    header = {"event_id": _hex(chance, 128), "sent_at": _text(chance)}
    return b"\n".join([orjson.dumps(header), *items]) + b"\n"


def _item(kind: str, payload: bytes, more: bytes = b"") -> bytes:
    return b'{"type":"%b","length":%d%b}\n' % (kind.encode(), len(payload), more) + payload


def _millis(chance: random.Random) -> int:
    """A time within the last second."""
    return now_ms() - chance.randrange(1000)


def _text(chance: random.Random) -> str:
    return (
        datetime.fromtimestamp(_millis(chance) / 1000, UTC)
        .isoformat(timespec="milliseconds")
        .replace("+00:00", "Z")
    )


_instant = _text


def _hex(chance: random.Random, bits: int) -> str:
    return f"{chance.getrandbits(bits):0{bits // 4}x}"
