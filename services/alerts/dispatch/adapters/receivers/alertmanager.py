"""The format of Alertmanager's webhooks, version 4: what most that take alerts can read.

Source: Alertmanager, "Configuration", `webhook_config`. Invariant: a message fires while one of its alerts does, and
equal transitions have equal bytes.
"""

from collections.abc import Mapping, Sequence

import orjson

from services.alerts.dispatch.domain.group import labels_of
from services.alerts.domain.transition import FIRING, RESOLVED, Transition
from shared.model.instants import text_of

NEVER = "0001-01-01T00:00:00Z"
"""End of what has not ended."""


def render(transition: Transition, receiver: str, external_url: str) -> bytes:
    """The bytes of a message of one alert."""
    name = transition.labels["alertname"]
    key = f'{{}}:{{alertname={_quoted(name)}, alert_id="{transition.alert_id}"}}'
    return _message(key, {"alertname": name}, [transition], receiver, external_url)


def render_group(group: str, transitions: Sequence[Transition], receiver: str, external_url: str) -> bytes:
    """The bytes of a message of a group."""
    labels = labels_of(group)
    key = ", ".join(f"{label}={_quoted(value)}" for label, value in labels.items())
    return _message(f"{{}}:{{{key}}}", labels, transitions, receiver, external_url)


def _message(
    key: str, labels: Mapping[str, str], transitions: Sequence[Transition], receiver: str, external_url: str
) -> bytes:
    firing = any(each.transition == FIRING for each in transitions)
    message = {
        "version": "4",
        "groupKey": key,
        "truncatedAlerts": 0,
        "status": FIRING if firing else RESOLVED,
        "receiver": receiver,
        "groupLabels": labels,
        "commonLabels": _common([each.labels for each in transitions]),
        "commonAnnotations": _common([each.annotations for each in transitions]),
        "externalURL": external_url,
        "alerts": [_alert(each, external_url) for each in transitions],
    }
    return orjson.dumps(message)


def _alert(transition: Transition, external_url: str) -> dict[str, object]:
    path = f"/v1/alerts/{transition.alert_id}/history"
    return {
        "status": transition.transition,
        "labels": transition.labels,
        "annotations": transition.annotations,
        "startsAt": NEVER if transition.fired_at_ms is None else text_of(transition.fired_at_ms),
        "endsAt": _end(transition),
        "generatorURL": f"{external_url}{path}" if external_url else "",
        "fingerprint": transition.fingerprint,
    }


def _common(mappings: Sequence[Mapping[str, str]]) -> dict[str, str]:
    """What all of them say alike."""
    first, *others = mappings
    return {name: value for name, value in first.items() if all(each.get(name) == value for each in others)}


def _end(transition: Transition) -> str:
    ended = transition.transition != FIRING and transition.resolved_at_ms is not None
    return text_of(transition.resolved_at_ms or 0) if ended else NEVER


def _quoted(text: str) -> str:
    return orjson.dumps(text).decode()
