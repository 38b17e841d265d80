"""Tells PagerDuty, by its Events API version 2: an incident an episode, resolved when that is over.

Source: PagerDuty, "Send an Event". The key of an incident is alert and episode, so a repeat changes nothing, and since
an alert is told in order no trigger comes after its resolve. The routing key is put in as a message leaves: no table
has it.
"""

from collections.abc import Sequence

import orjson

from services.alerts.dispatch.adapters.receivers.http import LIMIT_S, Poster
from services.alerts.dispatch.ports import DeliveryResult, Payload
from services.alerts.domain.transition import RESOLVED, Transition
from shared.model.instants import text_of

URL = "https://events.pagerduty.com/v2/enqueue"

MAX_SUMMARY = 1024
"""Characters of a summary."""

SEVERITIES = ("critical", "error", "warning", "info")
_SOURCES = ("service", "service.name", "instance", "host", "endpoint", "metric")
"""Labels that say what is affected, the first that is there."""


class PagerDuty:
    """One service of PagerDuty as a receiver."""

    concurrency = 4
    batch = 1
    hears_all = False
    groups = None

    def __init__(
        self, name: str, routing_key: str, external_url: str = "", url: str = URL, limit_s: float = LIMIT_S
    ) -> None:
        self.name = name
        self._routing_key = routing_key
        self._external_url = external_url
        self._poster = Poster(url, self.concurrency, limit_s)

    def render(self, transition: Transition) -> bytes:
        """An event without the key of the service."""
        event: dict[str, object] = {
            "event_action": "resolve" if transition.transition == RESOLVED else "trigger",
            "dedup_key": f"{transition.alert_id}-{transition.episode_ms}",
            "client": "Tidegauge",
            "payload": _payload(transition),
        }
        if self._external_url:
            path = f"/v1/alerts/{transition.alert_id}/history"
            event["client_url"] = self._external_url
            event["links"] = [{"href": f"{self._external_url}{path}", "text": "How it came"}]
        return orjson.dumps(event)

    async def deliver(self, payloads: Sequence[Payload]) -> DeliveryResult:
        """Post it; what it finds wrong with an event it finds wrong for ever."""
        (payload,) = payloads
        body = orjson.dumps({"routing_key": self._routing_key, **orjson.loads(payload.body)})
        result = await self._poster.post(payload._replace(body=body), {})
        if result.outcome == "refused" and (result.problem or "").startswith("400"):
            return DeliveryResult("impossible", result.problem)
        return result

    async def close(self) -> None:
        """Let the connections go."""
        await self._poster.close()


def _payload(transition: Transition) -> dict[str, object]:
    labels = transition.labels
    severity = labels.get("severity", "warning")
    return {
        "summary": summary_of(transition)[:MAX_SUMMARY],
        "source": next((labels[name] for name in _SOURCES if labels.get(name)), "tidegauge"),
        "severity": severity if severity in SEVERITIES else "warning",
        "timestamp": text_of(transition.at_ms),
        "class": labels["alertname"],
        "group": transition.rule,
        "custom_details": {
            "labels": labels,
            "annotations": transition.annotations,
            "value": transition.value,
            "threshold": transition.threshold,
            "expr": transition.expr,
        },
    }


def summary_of(transition: Transition) -> str:
    """What a person reads first."""
    said = transition.annotations.get("summary", "")
    return f"{transition.labels['alertname']}: {said}" if said else transition.labels["alertname"]
