"""`/api/v2/…`: what amtool and Grafana ask an Alertmanager, answered of our alerts, silences and receivers.

Milliseconds UTC. A refusal is a text, as there. Reading takes scope read, silencing scope oncall. Who posts a silence
with an id ends that one and makes another: silences are never changed.
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import orjson
from fastapi import APIRouter, Request, Response

from services.gateway.auth.http import READS, needs, reader_of
from services.gateway.auth.key_cache import KeyCache
from services.gateway.http.problems import Problem
from services.gateway.query.page.bodies import body_of
from services.gateway.query.parameters import answer, asking
from services.gateway.query.parameters import text_of as storable
from services.gateway.query.ports import Alerts
from services.gateway.query.resources.alerts.alertmanager.receivers import PostgresReceivers
from services.gateway.query.resources.alerts.alertmanager.shapes import (
    PostedSilence,
    alert_of,
    groups_of,
    matchers_of,
    silence_of,
)
from services.gateway.query.resources.alerts.silences import bodies
from services.gateway.query.resources.alerts.silences.http import key_id, on_call, too_many
from services.gateway.query.resources.alerts.silences.postgres import MAX_LISTED, MAX_READ, PostgresSilences
from shared.alerts.silences.matchers import Matcher, matcher_of, matching, written
from shared.alerts.silences.tables import STATES, New
from shared.errors import Rejected
from shared.model.instants import text_of
from shared.postgres.instants import ms_of
from shared.runtime.clock import now_ms

API = "/api/v2"
SILENCES, SILENCE = f"{API}/silences", f"{API}/silence/{{silence_id}}"
PATHS = (
    SILENCES, SILENCE, *(f"{API}/{name}" for name in ("alerts", "alerts/groups", "status", "receivers")),
)  # fmt: skip
"""What is answered here with GET."""

EXPIRED_MS = 5 * 24 * 3600 * 1000
"""How long a silence that has ended is listed, as there."""

VERSION = {
    "version": "0.27.0", "revision": "tidegauge", "branch": "", "buildUser": "", "buildDate": "", "goVersion": "",
}  # fmt: skip
"""The release whose API this is."""

CONFIG = "# Rules, receivers and routes are settings of Tidegauge's alert service.\n"

_TRUE, _FALSE = frozenset({"1", "t", "true"}), frozenset({"0", "f", "false"})

Handler = Callable[[Request], Awaitable[Response]]


class _Alertmanager:
    """What an Alertmanager would answer."""

    def __init__(
        self, key_cache: KeyCache, alerts: Alerts, silences: PostgresSilences, receivers: PostgresReceivers
    ) -> None:
        self._key_cache = key_cache
        self._alerts = alerts
        self._silences = silences
        self._receivers = receivers
        self._started_ms = now_ms()

    async def _tenant_of(self, request: Request) -> int:
        return (await reader_of(self._key_cache, request.scope)).grant.tenant_id

    async def silences(self, request: Request) -> Response:
        tenant_id, conditions = await self._tenant_of(request), _conditions(request)
        found = (await self._silences.listed(tenant_id, STATES))[:MAX_LISTED]
        since_ms = now_ms() - EXPIRED_MS
        shown = [
            silence_of(one)
            for one in found
            if one.ends_ms > since_ms
            and matching(conditions, {each.name: each.value for each in one.silence.matchers})
        ]
        return answer(shown)

    async def post(self, request: Request) -> Response:
        asker, posted = await on_call(self._key_cache, request), await body_of(request, PostedSilence)
        now, tenant_id = now_ms(), asker.api_key.grant.tenant_id
        if posted.id and await self._silences.one(tenant_id, storable("id", posted.id)) is None:
            raise _unknown()
        new = New(
            tenant_id, matchers_of(posted.matchers), max(now, ms_of(posted.starts_at)), ms_of(posted.ends_at),
            posted.created_by, posted.comment, key_id(asker),
        )  # fmt: skip
        bodies.check(new, now)
        made = await self._silences.create(new, posted.id or None)
        if made is None:
            raise too_many()
        return answer({"silenceID": made.silence.silence_id})

    async def silence(self, request: Request) -> Response:
        tenant_id = await self._tenant_of(request)
        found = await self._silences.one(tenant_id, _silence_id(request))
        if found is None:
            raise _unknown()
        return answer(silence_of(found))

    async def expire(self, request: Request) -> Response:
        asker, silence_id = await on_call(self._key_cache, request), _silence_id(request)
        tenant_id = asker.api_key.grant.tenant_id
        if await self._silences.expire(tenant_id, silence_id, f"key {key_id(asker)}") is None:
            raise _unknown()
        return answer({})

    async def alerts(self, request: Request) -> Response:
        tenant_id = await self._tenant_of(request)
        return answer(await self._listed(tenant_id, request, await self._receivers.names()))

    async def groups(self, request: Request) -> Response:
        tenant_id, receivers = await self._tenant_of(request), await self._receivers.names()
        return answer(groups_of(await self._listed(tenant_id, request, receivers), receivers))

    async def status(self, request: Request) -> Response:
        await self._tenant_of(request)
        return answer(
            {
                "cluster": {"status": "disabled", "peers": []},
                "versionInfo": VERSION,
                "config": {"original": CONFIG},
                "uptime": text_of(self._started_ms),
            }
        )

    async def receivers(self, request: Request) -> Response:
        await self._tenant_of(request)
        return answer([{"name": name} for name in await self._receivers.names()])

    async def _listed(
        self, tenant_id: int, request: Request, receivers: Sequence[str]
    ) -> list[dict[str, Any]]:
        """What fires and is asked for."""
        conditions = _conditions(request)
        wanted = {"active": _flag(request, "active"), "suppressed": _flag(request, "silenced")}
        found = await self._alerts.alerts(tenant_id, ("firing",), 0, MAX_READ)
        silences = await self._silences.active(tenant_id)
        named = request.query_params.get("receiver", "")
        receiver = matcher_of("receiver", "=~", named or ".*", "receiver")
        if named and not any(receiver.matches({"receiver": name}) for name in receivers):
            return []
        shown = [
            alert_of(alert, silences, receivers, now_ms())
            for alert in found
            if matching(conditions, alert.labels)
        ]
        return [alert for alert in shown if wanted[alert["status"]["state"]]]


def router(
    key_cache: KeyCache, alerts: Alerts, silences: PostgresSilences, receivers: PostgresReceivers
) -> APIRouter:
    """The routes, bound to their dependencies."""
    routes, one = APIRouter(include_in_schema=False), _Alertmanager(key_cache, alerts, silences, receivers)
    for path, method, handler in (
        (SILENCES, "GET", one.silences), (SILENCES, "POST", one.post), (SILENCE, "GET", one.silence),
        (SILENCE, "DELETE", one.expire), (f"{API}/alerts", "GET", one.alerts),
        (f"{API}/alerts/groups", "GET", one.groups), (f"{API}/status", "GET", one.status),
        (f"{API}/receivers", "GET", one.receivers),
    ):  # fmt: skip
        scope = READS if method == "GET" else needs("oncall")
        routes.add_api_route(path, _endpoint(handler), methods=[method], dependencies=[scope])
    return routes


def _endpoint(handler: Handler) -> Handler:
    """The handler, with refusals as texts."""

    async def endpoint(request: Request) -> Response:
        try:
            with asking():
                return await handler(request)
        except Problem as problem:
            headers = {name.decode(): value.decode() for name, value in problem.all_headers()}
            headers["content-type"] = "application/json"
            return Response(orjson.dumps(problem.message), problem.status, headers)

    return endpoint


def _silence_id(request: Request) -> str:
    return storable("silence_id", request.path_params["silence_id"])


def _conditions(request: Request) -> list[Matcher]:
    return [written(text, "filter") for text in request.query_params.getlist("filter")]


def _flag(request: Request, name: str) -> bool:
    """A switch that is on unless it is put off; raise `Rejected` for what is none."""
    text = request.query_params.get(name, "true").lower()
    if text not in _TRUE | _FALSE:
        raise Rejected("invalid_parameter", f"{name}: must be true or false")
    return text in _TRUE


def _unknown() -> Problem:
    return Problem(404, "unknown_silence", "there is no such silence, or it has ended")
