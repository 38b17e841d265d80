"""Alerts and their rules, as Grafana lists them.

The rules are those that have had an alert: the files that they stand in are read by another service. A label is a
rule's own where all its alerts have it alike.
"""

from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any

from services.gateway.query.ports import Alerts
from services.gateway.query.prometheus.discovery import conditions_of_text
from services.gateway.query.prometheus.envelope import TRUNCATED, Reply
from services.gateway.query.prometheus.errors import bad_data
from services.gateway.query.prometheus.parameters import Parameters
from services.gateway.query.resources.alerts.alert import ACTIVE, MAX_ALERTS, RESOLVED_MS, STATES, Alert
from shared.postgres.instants import at

GROUP = FILE = "tidegauge"
"""Group and file that all rules are listed in."""

INTERVAL_S = 10
"""How often rules are evaluated: with each window."""

_WEIGHTS = {"resolved": 0, "pending": 1, "firing": 2}
_SHOWN = {"resolved": "inactive"}


class Alerting:
    """Answers which alerts and which rules there are."""

    def __init__(self, alerts: Alerts, clock: Callable[[], int]) -> None:
        self._alerts = alerts
        self._clock = clock

    async def alerts(self, tenant_id: int, _: Parameters) -> Reply:
        """Alerts that are pending or firing."""
        found, warnings = await self._found(tenant_id, ACTIVE, 0)
        return Reply({"alerts": [_alert(each) for each in found]}, warnings)

    async def rules(self, tenant_id: int, parameters: Parameters) -> Reply:
        """Rules by group, with their alerts."""
        if parameters.text("type") not in {"", "alert", "record"}:
            raise bad_data('invalid parameter "type": not supported, must be alert or record')
        found, warnings = await self._found(tenant_id, STATES, self._clock() - RESOLVED_MS)
        by_rule: defaultdict[str, list[Alert]] = defaultdict(list)
        for alert in found:
            by_rule[alert.rule].append(alert)
        with_alerts = parameters.text("exclude_alerts").lower() not in {"1", "t", "true"}
        rules = [_rule(name, each, with_alerts=with_alerts) for name, each in sorted(by_rule.items())]
        kept = [rule for rule in rules if _is_asked(rule, parameters)]
        group = {
            "name": GROUP, "file": FILE, "interval": INTERVAL_S, "limit": 0, "rules": kept,
            "evaluationTime": 0, "lastEvaluation": _time(max((each.updated_at_ms for each in found), default=0)),
        }  # fmt: skip
        return Reply({"groups": [group] if kept else []}, warnings)

    async def _found(
        self, tenant_id: int, states: Sequence[str], since_ms: int
    ) -> tuple[Sequence[Alert], list[str]]:
        found = await self._alerts.alerts(tenant_id, states, since_ms, MAX_ALERTS + 1)
        return found[:MAX_ALERTS], [TRUNCATED] if len(found) > MAX_ALERTS else []


def _alert(alert: Alert) -> dict[str, Any]:
    return {
        "labels": {**alert.labels, "alertname": alert.rule},
        "annotations": alert.annotations,
        "state": alert.state,
        "activeAt": _time(alert.active_at_ms),
        "value": f"{alert.value:e}",
    }


def _rule(name: str, alerts: Sequence[Alert], *, with_alerts: bool) -> dict[str, Any]:
    newest = max(alerts, key=lambda each: each.updated_at_ms)
    state = max((each.state for each in alerts), key=_WEIGHTS.__getitem__)
    own = set.intersection(*(set(each.labels.items()) for each in alerts)) - {("alertname", name)}
    rule = {
        "type": "alerting", "name": name, "query": newest.expr, "duration": 0, "keepFiringFor": 0,
        "labels": dict(sorted(own)), "annotations": {}, "health": "ok", "state": _SHOWN.get(state, state),
        "evaluationTime": 0, "lastEvaluation": _time(newest.updated_at_ms),
    }  # fmt: skip
    active = [_alert(each) for each in alerts if each.state in ACTIVE]
    return rule | {"alerts": active} if with_alerts else rule


def _is_asked(rule: dict[str, Any], parameters: Parameters) -> bool:
    wanted = {
        "rule_name[]": rule["name"],
        "rule_group[]": GROUP,
        "file[]": FILE,
    }
    if parameters.text("type") == "record":
        return False
    if any(parameters.all(name) and value not in parameters.all(name) for name, value in wanted.items()):
        return False
    matches = [conditions_of_text(text) for text in parameters.all("match[]")]
    return not matches or any(all(one.matches(rule["labels"]) for one in each.labels) for each in matches)


def _time(ms: int) -> str:
    return at(ms).isoformat(timespec="milliseconds").replace("+00:00", "Z")
