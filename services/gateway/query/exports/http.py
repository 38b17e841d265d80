"""`POST /v1/exports` streams rows as a file; `GET /v1/exports/{id}` says how it stands and ended.

A file has its end only when all of it was sent: whatever goes wrong before cuts the connection without the last chunk.
So an export needs HTTP/1.1; in HTTP/1.0 a cut looks like an end. Times are milliseconds UTC or RFC 3339 with a zone.
"""

import asyncio
from typing import Any

import msgspec
import structlog
from fastapi import APIRouter, Request, Response

from services.gateway.auth.http import READS, reader_of
from services.gateway.auth.key_cache import KeyCache
from services.gateway.http.problems import Problem
from services.gateway.query.exports.asked.export import FORMATS, Body, Export, export_of
from services.gateway.query.exports.formats import MEDIA, NotInstalled, check_installed
from services.gateway.query.exports.schemas import ExportBody, ExportStatusBody
from services.gateway.query.exports.status import Status, instant_of
from services.gateway.query.exports.underway import LEFT, Crowded, Exports
from services.gateway.query.parameters import REFUSALS, UNKNOWN, answer, asking
from services.gateway.query.questions.http import body_of, decoded, refusals
from services.gateway.query.questions.ports import ArchivedSince
from services.gateway.query.questions.question import Refused
from shared.errors import Unavailable
from shared.runtime.clock import now_ms

MAX_NAME = 64
"""Longest name of an export that is looked for."""

AGAIN_S = 10
"""When to come again for room."""

_BODY = msgspec.json.Decoder(Body)
_log = structlog.get_logger(__name__)

_CONTENT = {
    MEDIA[name].partition(";")[0]: {"schema": {"type": "string", "format": "binary"}} for name in FORMATS
}
_ASKS = {
    "requestBody": {
        "content": {"application/json": {"schema": ExportBody.model_json_schema()}},
        "required": True,
    }
}


def router(key_cache: KeyCache, exports: Exports, archived_since: ArchivedSince) -> APIRouter:
    """The routes, bound to their dependencies."""
    routes = APIRouter()

    @routes.post(
        "/v1/exports",
        response_class=Response,
        responses={**REFUSALS, 200: {"content": _CONTENT, "description": "The file; whole if it has an end"}},
        openapi_extra=_ASKS,
        dependencies=[READS],
        summary="Rows as a file",
    )
    async def export(request: Request) -> Response:
        """All rows that are asked for, under one snapshot; `Tidegauge-Export` names them in `/v1/exports/{id}`."""
        api_key = await reader_of(key_cache, request.scope)
        if request.scope["http_version"] == "1.0":
            raise Problem(400, "needs_http_1_1", "HTTP/1.0: it cannot tell a cut file from a whole one")
        body = decoded(_BODY, await body_of(request), "")
        with refusals(""):
            asked = export_of(body, api_key.grant.tenant_id, now_ms(), await archived_since())
        _check_installed(asked.format)
        return Streamed(exports, asked)

    @routes.get(
        "/v1/exports/{name}",
        response_model=ExportStatusBody,
        responses=REFUSALS | UNKNOWN,
        dependencies=[READS],
        summary="How an export stands",
    )
    async def status(request: Request, name: str) -> Response:
        """For an hour: `running`, `complete` with rows, bytes and sha256 of the file, or `failed` with a code."""
        api_key = await reader_of(key_cache, request.scope)
        with asking():
            found = await exports.statuses.find(name) if len(name) <= MAX_NAME else None
        if found is None or found.tenant_id != api_key.grant.tenant_id:
            raise Problem(404, "unknown_export", "no such export within an hour")
        return answer(_shown(found.as_of(now_ms())))

    return routes


def _check_installed(name: str) -> None:
    try:
        check_installed(name)
    except NotInstalled as error:
        raise Problem(501, error.code, error.message) from error


def _shown(status: Status) -> dict[str, object]:
    return {
        "id": status.export_id, "state": status.state, "question": status.question, "rows": status.rows,
        "bytes": status.bytes, "sha256": status.sha256, "complete_until": instant_of(status.complete_until_ms),
        "started_at": instant_of(status.started_ms), "updated_at": instant_of(status.updated_ms), "code": status.code,
    }  # fmt: skip


class Streamed(Response):
    """The answer of an export: it is made while it leaves."""

    def __init__(self, exports: Exports, export: Export) -> None:
        super().__init__(media_type=MEDIA[export.format])
        self._exports = exports
        self._export = export

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Send the file; without its end where it cannot be had."""
        sent = _Sent(self._export, send)
        try:
            with self._exports.admitted(self._export.tenant_id):
                await self._run(sent, receive)
        except Crowded as error:
            raise Problem(
                429, "too_many_exports", "exports: as many are under way as may be", AGAIN_S
            ) from error
        except Refused as error:
            with refusals("/question"):
                raise error from None
        except (Unavailable, TimeoutError) as error:
            if not sent.started:
                raise Problem(503, "unavailable", "the tables cannot be read now", 1) from error
            # uvicorn closes the connection of an answer that is not complete.
            _log.warning("an export was cut", problem=repr(error))

    async def _run(self, sent: "_Sent", receive: Any) -> None:
        running = asyncio.create_task(self._exports.run(self._export, sent))
        leaving = asyncio.create_task(_left(receive))
        try:
            await asyncio.wait({running, leaving}, return_when=asyncio.FIRST_COMPLETED)
            if not running.done():
                running.cancel(LEFT)
        except asyncio.CancelledError:
            running.cancel()
            raise
        finally:
            leaving.cancel()
            await asyncio.wait({running, leaving})
        if not running.cancelled():
            running.result()


class _Sent:
    """A file that goes to a client: nothing is sent before the first of it is there."""

    def __init__(self, export: Export, send: Any) -> None:
        self._send = send
        name = f"{export.name}.{export.format}"
        self._headers = [
            (b"content-type", MEDIA[export.format].encode()),
            (b"content-disposition", f'attachment; filename="{name}"'.encode()),
            (b"cache-control", b"no-store"),
            (b"x-accel-buffering", b"no"),
        ]
        self.started = False

    def begin(self, status: Status) -> None:
        """Say what it is called, and up to when it is complete."""
        self._headers.append((b"tidegauge-export", status.export_id.encode()))
        if (until := instant_of(status.complete_until_ms)) is not None:
            self._headers.append((b"tidegauge-complete-until", until.encode()))

    async def write(self, part: bytes) -> None:
        """Send some of it."""
        await self._start()
        await self._send({"type": "http.response.body", "body": part, "more_body": True})

    async def end(self, part: bytes) -> None:
        """Send the rest, and its end."""
        # In two messages: what leaves in one would be compressed, and be other bytes than those that were hashed.
        await self.write(part)
        await self._send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _start(self) -> None:
        if not self.started:
            self.started = True
            await self._send({"type": "http.response.start", "status": 200, "headers": self._headers})


async def _left(receive: Any) -> None:
    """Return when the client is gone."""
    while (await receive())["type"] != "http.disconnect":
        pass
