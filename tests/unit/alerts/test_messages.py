"""What receivers are told, to the byte: a message of Alertmanager's webhooks, and a CloudEvent."""

import orjson
import pytest

from services.alerts.dispatch.adapters.receivers import alertmanager
from services.alerts.dispatch.adapters.receivers.topic import AlertTopic
from services.alerts.dispatch.domain.group import group_of
from services.alerts.domain.transition import Transition
from shared.errors import Rejected
from shared.runtime.kafka import Sender
from shared.wire import alerts
from tests.support.alerting import closed, partition, rule, tick

NOON = 172_800 + 4_320
"""Number of the window that begins on 21 January 1970 at noon."""


def episode() -> tuple[Transition, Transition]:
    """A window of series 1 breaches, the next one is calm."""
    state = partition(rule(alert='Slow "api"'))
    for message in (closed([(1, NOON, 6.5)]), tick(NOON + 1), closed([(1, NOON + 1, 1.0)], NOON + 2)):
        state.fold(message)
    firing, resolved = state.checkpoint().transitions
    return firing, resolved


LABELS = {"endpoint": "/1", "severity": "critical", "alertname": 'Slow "api"', "tenant": "7"}


def test_webhook_is_told_as_alertmanager_would() -> None:
    """Version 4, one alert a message; while it fires it has no end."""
    firing, resolved = (
        orjson.loads(alertmanager.render(each, "pager", "https://tides.example")) for each in episode()
    )
    print_, alert_id = firing["alerts"][0]["fingerprint"], episode()[0].alert_id

    assert firing == {
        "version": "4",
        "groupKey": f'{{}}:{{alertname="Slow \\"api\\"", alert_id="{alert_id}"}}',
        "truncatedAlerts": 0,
        "status": "firing",
        "receiver": "pager",
        "groupLabels": {"alertname": 'Slow "api"'},
        "commonLabels": LABELS,
        "commonAnnotations": {"summary": "6.5 s"},
        "externalURL": "https://tides.example",
        "alerts": [
            {
                "status": "firing",
                "labels": LABELS,
                "annotations": {"summary": "6.5 s"},
                "startsAt": "1970-01-21T12:00:10.000Z",
                "endsAt": "0001-01-01T00:00:00Z",
                "generatorURL": f"https://tides.example/v1/alerts/{alert_id}/history",
                "fingerprint": print_,
            }
        ],
    }
    ended = firing["alerts"][0] | {"status": "resolved", "endsAt": "1970-01-21T12:00:20.000Z"}
    assert resolved == firing | {"status": "resolved", "alerts": [ended]}


def test_a_group_is_told_as_alertmanager_would() -> None:
    """It fires while one of its alerts does; what all of them have is common, each alert is as if alone."""
    firing, resolved = episode()
    group = group_of(firing, ("alertname", "region"))
    message = orjson.loads(alertmanager.render_group(group, [resolved, firing], "pager", ""))
    alone = [orjson.loads(alertmanager.render(each, "pager", ""))["alerts"][0] for each in (resolved, firing)]
    over = orjson.loads(alertmanager.render_group(group, [resolved], "pager", ""))

    assert ('{}:{alertname="Slow \\"api\\"", tenant="7"}', {"alertname": 'Slow "api"', "tenant": "7"}) == (
        message["groupKey"], message["groupLabels"]
    )  # fmt: skip
    assert ("firing", "resolved", alone) == (message["status"], over["status"], message["alerts"])
    assert (LABELS, {"summary": "6.5 s"}) == (message["commonLabels"], message["commonAnnotations"])


def test_nothing_is_linked_without_an_address() -> None:
    """An address that nobody gave is not made up."""
    event = orjson.loads(alertmanager.render(episode()[0], "pager", ""))

    assert ("", "") == (event["externalURL"], event["alerts"][0]["generatorURL"])


def test_the_topic_carries_cloud_events() -> None:
    """The envelope is CloudEvents 1.0, the id the idempotency key, the data the evaluation."""
    firing, resolved = episode()
    topic = AlertTopic(Sender("127.0.0.1:9", "test"))
    event = alerts.decode(topic.render(resolved))

    assert orjson.loads(topic.render(firing)) == {
        "specversion": "1.0", "id": firing.key, "source": "/alerts/g%2FSlow%20%22api%22",
        "type": "telemetry.alert.firing.v1", "subject": firing.fingerprint, "time": "1970-01-21T12:00:10.000Z",
        "datacontenttype": "application/json", "partitionkey": firing.fingerprint,
        "data": {
            "rule": 'g/Slow "api"', "state": "firing", "reason": "breach", "labels": LABELS,
            "annotations": {"summary": "6.5 s"}, "value": 6.5, "threshold": 5.0,
            "expr": "api:response_seconds:max_10s > 5", "window_start_ms": NOON * 10_000,
            "at_ms": NOON * 10_000 + 10_000,
            "active_at_ms": NOON * 10_000 + 10_000, "fired_at_ms": NOON * 10_000 + 10_000, "resolved_at_ms": None,
            "episode_ms": NOON * 10_000, "decided_on": "closed", "count": 1.0, "revision": 0, "watermark_ms": 0,
        },
    }  # fmt: skip
    assert (resolved.key, "resolved", NOON * 10_000 + 20_000) == (
        event.id,
        event.data.state,
        event.data.resolved_at_ms,
    )
    assert alerts.partition_of(topic.render(firing), 12) == alerts.partition_of(topic.render(resolved), 12)


@pytest.mark.parametrize("value", [None, b"", b"{}", b"\xff", b'{"specversion": "2.0"}'])
def test_other_bytes_are_no_transition(value: bytes | None) -> None:
    """They are refused by code."""
    with pytest.raises(Rejected, match="bad_alert"):
        alerts.decode(value)


def test_another_version_is_refused() -> None:
    """Its fields may mean something else."""
    body = AlertTopic(Sender("127.0.0.1:9", "test")).render(episode()[0])

    with pytest.raises(Rejected, match="unsupported_version"):
        alerts.decode(body.replace(b'"1.0"', b'"1.1"', 1))
