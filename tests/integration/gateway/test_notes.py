"""What people say of an episode, over real tables: kept, shown, and refused when it is over."""

from typing import Any

import pytest

from services.alerts.domain.identity import alert_id
from shared.runtime.clock import now_ms
from tests.support.http.reader import Reader

pytestmark = pytest.mark.servers

EPISODE_MS = 70_000

_ALERT = """
INSERT INTO alert_instance (rule, series_id, topic, partition, tenant_id, state, episode_ms, active_at_ms, fired_at_ms,
    last_closed_ms, last_breach_ms, value, expr, fingerprint, labels, annotations)
VALUES ('g/Noted', $1, 't', 0, $1, $2, 70000, 70000, 80000, 70000, 70000, 9, '', 'f', '{"host": "a"}', '{}')
"""


async def alert(owner: Reader, state: str = "firing") -> str:
    """An alert of this tenant; its id."""
    await owner.write(_ALERT, (owner.tenant_id, state))
    return alert_id(owner.tenant_id, "g/Noted", {"host": "a"})


def said(**fields: Any) -> dict[str, Any]:
    """A note of the present episode, with other fields."""
    return {"episode_ms": EPISODE_MS, "actor": "mk", "text": "rolling back"} | fields


async def test_notes_are_shown_with_the_alert_and_in_its_history(mine: Reader) -> None:
    """The latest of each kind with the alert, all of them in the history, newest first."""
    name, key = await alert(mine), await mine.key_of("oncall")
    answers = [
        await mine.send("POST", f"/v1/alerts/{name}/{action}", said(actor=actor, text=text), key)
        for action, actor, text in (
            ("ack", "mk", ""), ("ack", "jo", "mine"), ("assign", "jo", "mk"), ("comment", "mk", "it is the cache"),
            ("resolve", "mk", "rolled back"),
        )
    ]  # fmt: skip
    (shown,) = (await mine.ask("/v1/alerts")).json()["alerts"]
    history = (await mine.ask(f"/v1/alerts/{name}/history")).json()
    row = answers[-1].json()

    assert [201] * 5 == [each.status_code for each in answers]
    assert {"action": "resolve", "actor": "mk", "text": "rolled back", "episode_ms": EPISODE_MS} == {
        name: value for name, value in row.items() if name != "at_ms"
    }
    assert abs(row["at_ms"] - now_ms()) < 60_000
    assert ("jo", "mine", "mk", "rolled back", []) == (
        shown["acknowledged"]["actor"], shown["acknowledged"]["text"], shown["assigned_to"],
        shown["resolved_by_hand"]["text"], shown["silenced_by"],
    )  # fmt: skip
    assert ["resolve", "comment", "assign", "ack", "ack"] == [each["action"] for each in history["notes"]]


async def test_a_new_episode_begins_without_notes(mine: Reader) -> None:
    """Acknowledged is an episode, not an alert; the history keeps what was said of the one before."""
    name, key = await alert(mine), await mine.key_of("oncall")
    await mine.send("POST", f"/v1/alerts/{name}/ack", said(), key)
    await mine.write("UPDATE alert_instance SET episode_ms = 90000 WHERE tenant_id = $1", (mine.tenant_id,))
    (shown,) = (await mine.ask("/v1/alerts")).json()["alerts"]
    late = await mine.send("POST", f"/v1/alerts/{name}/ack", said(), key)
    history = (await mine.ask(f"/v1/alerts/{name}/history")).json()

    assert (None, 409, "episode_over", True) == (
        shown["acknowledged"], late.status_code, late.json()["code"], "90000" in late.json()["message"]
    )  # fmt: skip
    assert [("ack", EPISODE_MS)] == [(each["action"], each["episode_ms"]) for each in history["notes"]]


async def test_an_alert_shows_the_silences_that_are_about_it(mine: Reader) -> None:
    """Those in force."""
    await alert(mine)
    key = await mine.key_of("oncall")
    ids = {}
    for host in ("a", "b"):
        body = {"matchers": [{"name": "host", "value": host}], "lasts_s": 60, "author": "mk", "comment": "x"}
        ids[host] = (await mine.send("POST", "/v1/silences", body, key)).json()["id"]
    (shown,) = (await mine.ask("/v1/alerts")).json()["alerts"]

    assert [ids["a"]] == shown["silenced_by"]


@pytest.mark.parametrize(
    ("state", "action", "fields", "status", "code"),
    [
        pytest.param("resolved", "ack", {}, 409, "episode_over", id="over"),
        pytest.param("firing", "ack", {"episode_ms": 60_000}, 409, "episode_over", id="another episode"),
        pytest.param("pending", "resolve", {}, 409, "not_firing", id="nobody was told"),
        pytest.param("pending", "ack", {}, 201, None, id="pending can be acknowledged"),
        pytest.param("firing", "comment", {"text": " "}, 400, "invalid_note", id="empty comment"),
        pytest.param("firing", "assign", {"text": ""}, 400, "invalid_note", id="given to nobody"),
        pytest.param("firing", "ack", {"actor": ""}, 400, "invalid_request", id="by nobody"),
        pytest.param("firing", "ack", {"actor": "a\0"}, 400, "invalid_note", id="NUL"),
        pytest.param("firing", "ack", {"text": "x" * 2001}, 400, "invalid_request", id="long"),
        pytest.param("firing", "ack", {"episode_ms": -1}, 400, "invalid_note", id="no instant"),
        pytest.param("firing", "ack", {"episode_ms": 10**30}, 400, "invalid_note", id="no number of ours"),
        pytest.param("firing", "ack", {"who": "me"}, 400, "invalid_request", id="unknown field"),
    ],
)
async def test_what_cannot_be_said_is_refused_by_name(
    mine: Reader, state: str, action: str, fields: dict[str, Any], status: int, code: str | None
) -> None:
    """The episode as it was, and what is wrong with the note."""
    name = await alert(mine, state)
    answer = await mine.send(
        "POST", f"/v1/alerts/{name}/{action}", said(**fields), await mine.key_of("oncall")
    )

    assert (status, code) == (answer.status_code, answer.json().get("code"))


async def test_an_episode_has_a_thousand_notes(mine: Reader) -> None:
    """A script that runs wild fills no table."""
    name = await alert(mine)
    await mine.write(
        "INSERT INTO alert_note (tenant_id, alert_id, rule, series_id, episode_ms, topic, action, actor, text, key_id) "
        "SELECT $1, $2, 'g/Noted', $1, 70000, 't', 'comment', 'a', 'b', 'k' FROM generate_series(1, 1000)",
        (mine.tenant_id, name),
    )
    answer = await mine.send("POST", f"/v1/alerts/{name}/ack", said(), await mine.key_of("oncall"))

    assert (422, "too_many_notes") == (answer.status_code, answer.json()["code"])


@pytest.mark.parametrize("scope", ["read", "write"])
async def test_only_who_is_on_call_speaks(mine: Reader, scope: str) -> None:
    """Reading is not enough."""
    name = await alert(mine)

    assert (
        403
        == (await mine.send("POST", f"/v1/alerts/{name}/ack", said(), await mine.key_of(scope))).status_code
    )


async def test_an_alert_of_another_tenant_is_unknown(mine: Reader, foreign: Reader) -> None:
    """404, as for one that never was."""
    name = await alert(foreign)
    key = await mine.key_of("oncall")
    answers = [await mine.send("POST", f"/v1/alerts/{each}/ack", said(), key) for each in (name, "x")]

    assert [(404, "unknown_alert")] * 2 == [(each.status_code, each.json()["code"]) for each in answers]
