"""What PagerDuty and Slack are told, and which of them there are."""

from dataclasses import replace

import orjson
import pytest

from services.alerts.dispatch.adapters.receivers.pagerduty import PagerDuty
from services.alerts.dispatch.adapters.receivers.slack import MAX_TEXT, Slack, SlackGroups
from services.alerts.domain.transition import Transition
from services.alerts.settings import routing_keys, webhooks
from shared.errors import Misconfigured
from tests.support.alerting import closed, partition, rule, tick

KEY = "a1" * 16


def episode(**fields: object) -> tuple[Transition, Transition]:
    """A window of series 1 breaches, the next one is calm."""
    state = partition(rule())
    for message in (closed([(1, 100, 6.5)]), tick(101), closed([(1, 101, 1.0)]), tick(102)):
        state.fold(message)
    firing, resolved = (replace(each, **fields) for each in state.checkpoint().transitions)  # type: ignore[arg-type]
    return firing, resolved


def test_an_incident_is_an_episode() -> None:
    """Trigger and resolve have one key, another episode has another; the routing key is not in what is stored."""
    pager = PagerDuty("pager", KEY, "https://tides.example")
    firing, resolved = episode()
    trigger, resolve = (orjson.loads(pager.render(each)) for each in (firing, resolved))
    another = orjson.loads(pager.render(replace(firing, episode_ms=firing.episode_ms + 10_000)))

    assert trigger == {
        "event_action": "trigger",
        "dedup_key": f"{firing.alert_id}-1000000",
        "client": "Tidegauge",
        "client_url": "https://tides.example",
        "links": [
            {"href": f"https://tides.example/v1/alerts/{firing.alert_id}/history", "text": "How it came"}
        ],
        "payload": {
            "summary": "Slow: 6.5 s", "source": "/1", "severity": "critical",
            "timestamp": "1970-01-01T00:16:50.000Z", "class": "Slow", "group": "g/Slow",
            "custom_details": {
                "labels": firing.labels, "annotations": {"summary": "6.5 s"}, "value": 6.5, "threshold": 5.0,
                "expr": "api:response_seconds:max_10s > 5",
            },
        },
    }  # fmt: skip
    assert ("resolve", trigger["dedup_key"]) == (resolve["event_action"], resolve["dedup_key"])
    assert another["dedup_key"] != trigger["dedup_key"]


def test_what_pagerduty_would_refuse_is_not_sent() -> None:
    """A severity that it does not know, a summary that is too long, an alert that says of nothing what it is."""
    firing, _ = episode(labels={"alertname": "A", "severity": "page"}, annotations={"summary": "x" * 2000})
    payload = orjson.loads(PagerDuty("pager", KEY).render(firing))["payload"]

    assert ("warning", 1024, "tidegauge") == (payload["severity"], len(payload["summary"]), payload["source"])


def test_a_channel_is_told_a_line() -> None:
    """What clients sent links nowhere and calls nobody."""
    firing, resolved = episode(annotations={"summary": "<!channel> & <https://evil.example|click>\nnow"})
    slack = Slack("channel", "http://127.0.0.1:9/", "https://tides.example")
    link = f"<https://tides.example/v1/alerts/{firing.alert_id}/history|how it came>"
    said = "Slow: &lt;!channel&gt; &amp; &lt;https://evil.example|click&gt; now endpoint=/1"

    assert [f":red_circle: *FIRING* {said} {link}", f":large_green_circle: *RESOLVED* {said} {link}"] == [
        orjson.loads(slack.render(each))["text"] for each in (firing, resolved)
    ]


@pytest.mark.parametrize("summary", ["x", "&" * 5000], ids=["short", "long"])
def test_a_group_is_told_in_one_message_that_slack_takes(summary: str) -> None:
    """As many alerts as it has room for, and how many are left out."""
    firing, _ = episode(annotations={"summary": summary})
    text = orjson.loads(SlackGroups(("alertname",), "").render("[]", [firing] * 500))["text"]
    lines = text.splitlines()

    assert len(text) <= MAX_TEXT
    assert f"and {500 - len(lines) + 1} more" == lines[-1]
    assert len(lines) > 1


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        pytest.param("x y=k", "entry 1 is not name=routing_key", id="no name"),
        pytest.param("a=short", "a is not a key of 32", id="short"),
        pytest.param(f"a={KEY},a={KEY}", "a stands twice", id="twice"),
        pytest.param(f"hook={KEY}", "hook stands twice", id="name of a webhook"),
    ],
)
def test_a_bad_routing_key_is_refused(text: str, problem: str) -> None:
    """By name, without the key."""
    with pytest.raises(Misconfigured, match=f"ALERTS_PAGERDUTY: {problem}") as refused:
        routing_keys(text, ["hook"])

    assert KEY not in str(refused.value)


def test_receivers_have_names_of_their_own() -> None:
    """A channel may not be called as a webhook is: their notifications would be one another's."""
    assert {"a": KEY} == routing_keys(f"a={KEY}")
    with pytest.raises(Misconfigured, match="ALERTS_SLACK: hook stands twice"):
        webhooks("hook=https://hooks.example/x", "ALERTS_SLACK", ["hook"])
