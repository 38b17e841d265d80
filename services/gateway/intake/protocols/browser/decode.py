"""The body of `/v1/browser`: what our browser client sends, an object with `items` of several kinds.

Milliseconds UTC. The query says `sent_at`, the client's clock when it sent the body; it stands there because a body
that is sent again must be the same. Invariant: each item is taken, or refused by itself under its index.
"""

from typing import Annotated, Any
from urllib.parse import parse_qs

import msgspec

from services.gateway.intake.columns.client_clock import clock_error_ms
from services.gateway.intake.columns.contract import Request, RequestColumns, check_size
from services.gateway.intake.columns.json import BROKEN, malformed, mended, misfitting_field, object_of
from services.gateway.intake.columns.rows import Mapped, Row, columns_of, mapped
from services.gateway.intake.protocols.browser import map as browser
from services.gateway.intake.protocols.vocabulary import EventContext
from shared.errors import Rejected
from shared.model.batch_id import checked_key

Text = str | None


class Batch(msgspec.Struct, gc=False):
    """What all items of a body share."""

    items: list[msgspec.Raw]
    batch_id: Text = None
    session_id: Text = None
    user_id: Text = None
    release: Text = None
    environment: Text = None
    sdk: Text = None
    user_agent: Text = None
    sample_rate: Annotated[float, msgspec.Meta(gt=0, le=1)] = 1.0
    """The part of all points that the client sends."""


_batch = msgspec.json.Decoder(Batch)


class BrowserItems:
    """Decodes batches of our browser client, to points and events."""

    def __init__(self, max_points: int, max_events: int) -> None:
        self._limit = min(max_points, max_events)

    def decode(self, request: Request) -> RequestColumns:
        """The columns of the items that are understood; raise `Rejected` for a body that is no batch."""
        batch = _read(request.body)
        check_size("events", len(batch.items), self._limit)
        said = {"release": batch.release, "environment": batch.environment, "sdk": batch.sdk,
                "user_agent": batch.user_agent}  # fmt: skip
        context = browser.Context(
            EventContext(batch.session_id, batch.user_id, {name: text or "" for name, text in said.items()}),
            1 / batch.sample_rate,
            clock_error_ms(_sent_at_ms(request.query), request.received_at_ms),
        )
        found: Mapped[Row] = mapped(batch.items, lambda raw: browser.rows_of(object_of(raw), context))
        columns = columns_of(found, request.received_at_ms)
        if batch.batch_id is not None:
            columns.batch_key = checked_key("batch_id", "invalid_batch_id", batch.batch_id.encode())
        return columns


def _read(body: bytes) -> Batch:
    try:
        return _batch.decode(mended(body))
    except msgspec.ValidationError as error:
        field = misfitting_field(str(error)) or "items"
        raise Rejected(f"invalid_{field}", f"{field}: must be as the browser client sends it") from error
    except BROKEN as error:
        raise malformed(error) from error


def _sent_at_ms(query: bytes) -> int | None:
    given: dict[str, Any] = parse_qs(query.decode("latin-1"))
    text = given.get("sent_at", [""])[0]
    return int(text) if text.isascii() and text.isdigit() and len(text) < 16 else None
