"""`GET /v1/alerts`, `/v1/alerts/{alert_id}/history`, `/v1/fingerprints/{fp}`: what is wrong, how that was decided.

Times are milliseconds UTC. An answer that is cut off says so. An answer contains only alerts of the key's tenant.
"""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response

from services.gateway.auth.http import READS, reader_of
from services.gateway.auth.key_cache import KeyCache
from services.gateway.http.problems import Problem
from services.gateway.http.schemas import ProblemBody
from services.gateway.query.parameters import REFUSALS, UNKNOWN, answer, asking, text_of
from services.gateway.query.ports import NamedAlerts
from services.gateway.query.resources.alerts.acts import Acts
from services.gateway.query.resources.alerts.alert import (
    ACTIVE,
    MAX_ALERTS,
    MAX_TRANSITIONS,
    RESOLVED_MS,
    Alert,
    History,
    states_of,
)
from services.gateway.query.resources.alerts.schemas import AlertsBody, HistoryBody
from shared.runtime.clock import now_ms

LIST, OF_ALERT, OF_FINGERPRINT = (
    "/v1/alerts",
    "/v1/alerts/{alert_id}/history",
    "/v1/fingerprints/{fingerprint}",
)
PATHS = (LIST, OF_ALERT, OF_FINGERPRINT)
"""What is answered here."""

SEVERAL: dict[int | str, dict[str, Any]] = {
    409: {"model": ProblemBody, "description": "Several alerts are named so"}
}

DEFAULT_STATES = list(ACTIVE)
"""States of a question without `state`."""


class _Questions:
    """What may be asked."""

    def __init__(self, key_cache: KeyCache, alerts: NamedAlerts, acts: Acts) -> None:
        self._key_cache = key_cache
        self._alerts = alerts
        self._acts = acts

    async def _tenant_of(self, request: Request) -> int:
        return (await reader_of(self._key_cache, request.scope)).grant.tenant_id

    async def listed(
        self,
        request: Request,
        state: Annotated[
            list[str], Query(description="`pending`, `firing`, `resolved`; repeatable")
        ] = DEFAULT_STATES,
    ) -> Response:
        """At most 1,000, the newest transition first; resolved ones when asked for, for a day."""
        tenant_id = await self._tenant_of(request)
        with asking():
            since_ms = now_ms() - RESOLVED_MS
            found = await self._alerts.alerts(tenant_id, states_of(state), since_ms, limit=MAX_ALERTS + 1)
            return answer(await self._listed(tenant_id, found))

    async def history(self, request: Request, alert_id: str) -> Response:
        """Its transitions, at most 1,000, newest first, each with the evaluation it was decided on.

        A fingerprint that one alert alone has is taken for its id.
        """
        tenant_id = await self._tenant_of(request)
        with asking():
            named = await id_of(self._alerts, tenant_id, alert_id)
            found = await self._alerts.history(tenant_id, named)
            notes = await self._acts.notes.of_alert(tenant_id, named)
        if found is None:
            raise unknown()
        return answer({**_shown(found), "notes": [note._asdict() for note in notes]})

    async def of_fingerprint(self, request: Request, fingerprint: str) -> Response:
        """At most 1,000, the latest change first; several where their labels hash to the same 64 bits."""
        tenant_id = await self._tenant_of(request)
        with asking():
            text = text_of("fingerprint", fingerprint)
            found = await self._alerts.of_fingerprint(tenant_id, text, MAX_ALERTS + 1)
            return answer(await self._listed(tenant_id, found))

    async def _listed(self, tenant_id: int, found: Sequence[Alert]) -> dict[str, object]:
        shown = found[:MAX_ALERTS]
        acts = await self._acts.of(tenant_id, shown)
        alerts = [{**asdict(alert), **done} for alert, done in zip(shown, acts, strict=True)]
        return {"alerts": alerts, "truncated": len(found) > MAX_ALERTS}


def router(key_cache: KeyCache, alerts: NamedAlerts, acts: Acts) -> APIRouter:
    """The routes, bound to their dependencies."""
    routes, one = APIRouter(), _Questions(key_cache, alerts, acts)
    for path, answers, model, refusals, summary in (
        (LIST, one.listed, AlertsBody, REFUSALS, "Alerts"),
        (
            OF_ALERT,
            one.history,
            HistoryBody,
            REFUSALS | UNKNOWN | SEVERAL,
            "How an alert came to be as it is",
        ),
        (OF_FINGERPRINT, one.of_fingerprint, AlertsBody, REFUSALS, "Alerts with one fingerprint"),
    ):
        routes.add_api_route(
            path, answers, response_model=model, responses=refusals, dependencies=[READS], summary=summary
        )
    return routes


async def id_of(alerts: NamedAlerts, tenant_id: int, name: str) -> str:
    """The id of the alert with this id or fingerprint; raise `Problem` for none, and for several."""
    named = await alerts.named(tenant_id, text_of("alert_id", name))
    if not named:
        raise unknown()
    if name in named:
        return name
    if len(named) > 1:
        raise Problem(409, "ambiguous_alert", f"alert_id: the fingerprint of several: {', '.join(named)}")
    return named[0]


def unknown() -> Problem:
    """The refusal of a name that no alert of the tenant has."""
    return Problem(404, "unknown_alert", "alert_id: names no alert; GET /v1/alerts lists them")


def _shown(found: History) -> dict[str, object]:
    return {
        "alert_id": found.alert_id,
        "fingerprint": found.fingerprint,
        "rule": found.rule,
        "labels": found.labels,
        "transitions": [asdict(one) for one in found.transitions[:MAX_TRANSITIONS]],
        "truncated": len(found.transitions) > MAX_TRANSITIONS,
    }
