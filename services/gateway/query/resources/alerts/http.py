"""`GET /v1/alerts` and `GET /v1/alerts/{fingerprint}/history`: what is wrong, and how that was decided.

Times are milliseconds UTC. An answer that is cut off says so. An answer contains only alerts of the key's tenant.
"""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from services.gateway.auth.http import READS, reader_of
from services.gateway.auth.key_cache import KeyCache
from services.gateway.http.problems import Problem
from services.gateway.query.parameters import REFUSALS, UNKNOWN, answer, asking, text_of
from services.gateway.query.ports import Alerts
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

DEFAULT_STATES = list(ACTIVE)
"""States of a question without `state`."""


def router(key_cache: KeyCache, alerts: Alerts) -> APIRouter:
    """The routes, bound to their dependencies."""
    routes = APIRouter()

    @routes.get(
        "/v1/alerts", response_model=AlertsBody, responses=REFUSALS, dependencies=[READS], summary="Alerts"
    )
    async def listed(
        request: Request,
        state: Annotated[
            list[str], Query(description="`pending`, `firing`, `resolved`; repeatable")
        ] = DEFAULT_STATES,
    ) -> Response:
        """At most 1,000, the newest transition first; resolved ones when asked for, for a day."""
        api_key = await reader_of(key_cache, request.scope)
        with asking():
            since_ms = now_ms() - RESOLVED_MS
            found = await alerts.alerts(
                api_key.grant.tenant_id, states_of(state), since_ms, limit=MAX_ALERTS + 1
            )
        return answer(_listed(found))

    @routes.get(
        "/v1/alerts/{fingerprint}/history",
        response_model=HistoryBody,
        responses=REFUSALS | UNKNOWN,
        dependencies=[READS],
        summary="How an alert came to be as it is",
    )
    async def history(request: Request, fingerprint: str) -> Response:
        """Its transitions, at most 1,000, newest first, each with the evaluation it was decided on."""
        api_key = await reader_of(key_cache, request.scope)
        with asking():
            found = await alerts.history(api_key.grant.tenant_id, text_of("fingerprint", fingerprint))
        if found is None:
            raise Problem(404, "unknown_alert", "fingerprint: names no alert; GET /v1/alerts lists them")
        return answer({"fingerprint": fingerprint} | _shown(found))

    return routes


def _listed(found: Sequence[Alert]) -> dict[str, object]:
    shown = [asdict(alert) for alert in found[:MAX_ALERTS]]
    return {"alerts": shown, "truncated": len(found) > MAX_ALERTS}


def _shown(found: History) -> dict[str, object]:
    return {
        "rule": found.rule,
        "labels": found.labels,
        "transitions": [asdict(one) for one in found.transitions[:MAX_TRANSITIONS]],
        "truncated": len(found.transitions) > MAX_TRANSITIONS,
    }
