"""One client's vital, error and response time, as they are sent through a door and as they must arrive.

A door is a module of this folder, named as its row in docs/clients/mapping.md, with `VITAL`, `ERROR` and `RESPONSE`:
what a client of it sends for the three below, or None where the door has no place for it.
"""

from typing import Any, NamedTuple

PAGE, ENDPOINT = "https://shop.example/cart", "https://shop.example/pay"
TYPE, MESSAGE = "TypeError", "x is undefined"
SESSION = "s-1"
RECEIVED_AT_MS = 1_760_000_001_000
TS_MS = 1_760_000_000_000


class Sent(NamedTuple):
    """A request."""

    route: str
    """As the registry has it."""
    body: bytes
    path: str = ""
    """Where the route has a part that varies."""
    media: bytes = b"application/json"
    headers: tuple[tuple[bytes, bytes], ...] = ()
    query: bytes = b""


VITAL_ROW: dict[str, Any] = {
    "metric": "web_vital.lcp", "kind": "gauge", "unit": "ms", "value": 2600.5,
    "labels": {"rating": "needs-improvement", "page": PAGE, "navigation_type": "navigate"},
}  # fmt: skip
"""An LCP of 2,600.5 ms of a page that was navigated to."""

RESPONSE_ROW: dict[str, Any] = {
    "metric": "api.response_seconds", "kind": "delta", "unit": "s", "value": 0.25,
    "labels": {"endpoint": ENDPOINT, "method": "POST", "status": "500"},
}  # fmt: skip
"""A POST that was answered 500 after 250 ms."""

ERROR_ROW: dict[str, Any] = {
    "type": "error", "name": TYPE, "session_id": SESSION, "ts_ms": TS_MS,
    "properties": {"type": TYPE, "message": MESSAGE, "handled": False, "level": "error", "url": PAGE},
}  # fmt: skip
"""An error that nobody caught; a door may bring more properties."""
