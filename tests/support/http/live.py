"""A reader of the live stream, as `EventSource` reads it: events, their ids, and comments left out."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import httpx2
import orjson


class Event(NamedTuple):
    """One event."""

    event: str
    id: str
    data: Any


async def _events(lines: AsyncIterator[str]) -> AsyncIterator[Event]:
    fields: dict[str, str] = {}
    async for line in lines:
        if line:
            name, _, value = line.partition(": ")
            fields[name] = value
        elif "data" in fields:
            yield Event(fields["event"], fields.get("id", ""), orjson.loads(fields["data"]))
            fields = {}


@asynccontextmanager
async def stream(client: httpx2.AsyncClient, **asked: Any) -> AsyncIterator[AsyncIterator[Event]]:
    """The events of a stream, until the end of the block."""
    headers = {"last-event-id": asked.pop("last")} if "last" in asked else {}
    async with client.stream("GET", "/v1/live", params=asked, headers=headers) as answer:
        assert answer.status_code == 200, await answer.aread()
        assert answer.headers["content-type"] == "text/event-stream"
        assert "content-encoding" not in answer.headers
        yield _events(answer.aiter_lines())
