"""The bodies of Alertmanager's API, version 2: what comes in, and what our alerts and silences look like there. Pure.

Source: Alertmanager, api/v2/openapi.yaml. Times are RFC 3339 there, milliseconds UTC here.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any

import msgspec

from services.gateway.query.resources.alerts.alert import Alert
from shared.alerts.silences.matchers import Matcher, Silence, all_of, matcher_of
from shared.alerts.silences.tables import Stored
from shared.model.instants import MAX_MS, text_of

LASTS_MS = 5 * 60_000
"""What fires is said to last so much longer: nobody knows when it ends."""

_Instant = Annotated[datetime, msgspec.Meta(tz=True)]

_OPERATORS = {(False, True): "=", (False, False): "!=", (True, True): "=~", (True, False): "!~"}
"""By whether it is a regular expression, and whether it is to match."""


class PostedMatcher(msgspec.Struct):
    """A condition on a label."""

    name: str
    value: str
    is_regex: bool = msgspec.field(name="isRegex")
    is_equal: bool = msgspec.field(name="isEqual", default=True)


class PostedSilence(msgspec.Struct):
    """A silence to make; with an id one that takes the place of another."""

    matchers: list[PostedMatcher]
    starts_at: _Instant = msgspec.field(name="startsAt")
    ends_at: _Instant = msgspec.field(name="endsAt")
    created_by: str = msgspec.field(name="createdBy")
    comment: str
    id: str = ""


def matchers_of(posted: Sequence[PostedMatcher]) -> tuple[Matcher, ...]:
    """The matchers of a silence; raise `Rejected` with the place of one that is none."""
    return all_of(
        [
            matcher_of(one.name, _OPERATORS[one.is_regex, one.is_equal], one.value, f"matchers.{place}")
            for place, one in enumerate(posted)
        ]
    )


def silence_of(stored: Stored) -> dict[str, Any]:
    """A silence."""
    return {
        "id": stored.silence.silence_id,
        "status": {"state": stored.state},
        "updatedAt": text_of(stored.updated_ms),
        "comment": stored.comment,
        "createdBy": stored.author,
        "startsAt": text_of(stored.starts_ms),
        "endsAt": text_of(stored.ends_ms),
        "matchers": [
            {
                "name": one.name,
                "value": one.value,
                "isRegex": "~" in one.operator,
                "isEqual": not one.operator.startswith("!"),
            }
            for one in stored.silence.matchers
        ],
    }


def alert_of(
    alert: Alert, silences: Sequence[Silence], receivers: Sequence[str], now_ms: int
) -> dict[str, Any]:
    """An alert that fires."""
    silenced_by = [one.silence_id for one in silences if one.mutes(one.tenant_id, alert.labels)]
    return {
        "labels": alert.labels,
        "annotations": alert.annotations,
        "startsAt": text_of(min(alert.fired_at_ms or alert.active_at_ms, MAX_MS)),
        "endsAt": text_of(now_ms + LASTS_MS),
        "updatedAt": text_of(alert.updated_at_ms),
        "fingerprint": alert.fingerprint,
        "generatorURL": f"/v1/alerts/{alert.alert_id}/history",
        "receivers": [{"name": name} for name in receivers],
        "status": {
            "state": "suppressed" if silenced_by else "active",
            "silencedBy": silenced_by,
            "inhibitedBy": [],
        },
    }


def groups_of(alerts: Sequence[dict[str, Any]], receivers: Sequence[str]) -> list[dict[str, Any]]:
    """Alerts by their name, for each receiver."""
    names = sorted({alert["labels"].get("alertname", "") for alert in alerts})
    return [
        {
            "receiver": {"name": receiver},
            "labels": {"alertname": name},
            "alerts": [alert for alert in alerts if alert["labels"].get("alertname", "") == name],
        }
        for receiver in receivers
        for name in names
    ]
