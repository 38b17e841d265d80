"""The format of Alertmanager's webhooks, version 4: what most that take alerts can read.

Source: Alertmanager, "Configuration", `webhook_config`. Invariant: one alert a message, so the group is the alert, its
status is that of the message, and equal transitions have equal bytes.
"""

import orjson

from services.alerts.domain.transition import FIRING, Transition
from shared.model.instants import text_of

NEVER = "0001-01-01T00:00:00Z"
"""End of what has not ended."""


def render(transition: Transition, receiver: str, external_url: str) -> bytes:
    """The bytes of a message."""
    name = transition.labels["alertname"]
    path = f"/v1/alerts/{transition.alert_id}/history"
    alert = {
        "status": transition.transition,
        "labels": transition.labels,
        "annotations": transition.annotations,
        "startsAt": NEVER if transition.fired_at_ms is None else text_of(transition.fired_at_ms),
        "endsAt": _end(transition),
        "generatorURL": f"{external_url}{path}" if external_url else "",
        "fingerprint": transition.fingerprint,
    }
    message = {
        "version": "4",
        "groupKey": f'{{}}:{{alertname={_quoted(name)}, alert_id="{transition.alert_id}"}}',
        "truncatedAlerts": 0,
        "status": transition.transition,
        "receiver": receiver,
        "groupLabels": {"alertname": name},
        "commonLabels": transition.labels,
        "commonAnnotations": transition.annotations,
        "externalURL": external_url,
        "alerts": [alert],
    }
    return orjson.dumps(message)


def _end(transition: Transition) -> str:
    ended = transition.transition != FIRING and transition.resolved_at_ms is not None
    return text_of(transition.resolved_at_ms or 0) if ended else NEVER


def _quoted(text: str) -> str:
    return orjson.dumps(text).decode()
