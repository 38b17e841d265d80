"""Debian's amtool, unmodified, lists alerts and adds, lists, extends and ends silences; wrong ones get a text."""

import asyncio
import json
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.support import alertmanager
from tests.support.http.reader import Reader

pytestmark = pytest.mark.servers

_ALERT = """
INSERT INTO alert_instance (rule, series_id, topic, partition, tenant_id, state, episode_ms, active_at_ms, fired_at_ms,
    last_closed_ms, last_breach_ms, value, expr, fingerprint, labels, annotations)
VALUES ('g/' || $3::text, $2, '', 0, $1, $4, 1, 1, 1, 1, 1, 9, '', 'f',
    jsonb_build_object('alertname', $3::text, 'host', $5::text), '{"summary": "9 s"}')
"""
_TOLD = "INSERT INTO notification (topic, receiver, key, rule, series_id, body) VALUES ($1, 'pager', $1, 'g', 1, '')"


async def amtool(owner: Reader, folder: Path, *arguments: str, key: str = "") -> tuple[int, str]:
    """Exit code and all that it says."""
    run = partial(alertmanager.amtool, owner.url, key or await owner.key_of("oncall"), folder, *arguments)
    return await asyncio.to_thread(run)


async def asked(owner: Reader, folder: Path, *arguments: str) -> list[dict[str, Any]]:
    """What it says in JSON."""
    code, said = await amtool(owner, folder, *arguments, "-o", "json")
    assert code == 0, said
    found: list[dict[str, Any]] = json.loads(said)
    return found


async def alerts(owner: Reader) -> None:
    """Slow of hosts a and b and Full of host a fire, Slow of host c is pending."""
    for number, (rule, state, host) in enumerate(
        (("Slow", "firing", "a"), ("Slow", "firing", "b"), ("Full", "firing", "a"), ("Slow", "pending", "c"))
    ):
        await owner.write(_ALERT, (owner.tenant_id, owner.tenant_id * 10 + number, rule, state, host))
    await owner.write(_TOLD, (f"amtool {owner.tenant_id}",))


async def test_amtool_adds_lists_and_ends_a_silence(mine: Reader, foreign: Reader, tmp_path: Path) -> None:
    """With matchers of every kind, and as our own API shows it; of another tenant it sees nothing."""
    code, added = await amtool(
        mine, tmp_path, "silence", "add", "--author=mk", "--comment=deploy", "--duration=2h",
        "alertname=Slow", "host=~a|b", "host!=c", "region!~eu.*",
    )  # fmt: skip
    assert code == 0, added
    (silence,) = await asked(mine, tmp_path, "silence", "query")
    (ours,) = (await mine.ask("/v1/silences")).json()["silences"]
    theirs = await asked(foreign, tmp_path, "silence", "query")
    queried = [
        await asked(mine, tmp_path, "silence", "query", each) for each in ("alertname=Slow", "alertname=x")
    ]
    ended = await amtool(mine, tmp_path, "silence", "expire", added.strip())
    again = await amtool(mine, tmp_path, "silence", "expire", added.strip())
    left = await asked(mine, tmp_path, "silence", "query")
    (expired,) = await asked(mine, tmp_path, "silence", "query", "--expired")

    assert (added.strip(), "mk", "deploy", "active") == (
        silence["id"], silence["createdBy"], silence["comment"], silence["status"]["state"]
    )  # fmt: skip
    assert [
        ("alertname", "=", "Slow"),
        ("host", "!=", "c"),
        ("host", "=~", "a|b"),
        ("region", "!~", "eu.*"),
    ] == sorted((each["name"], each["operator"], each["value"]) for each in ours["matchers"])
    assert 7_190_000 <= ours["ends_ms"] - ours["starts_ms"] <= 7_200_000
    assert ([], 1, 0) == (theirs, len(queried[0]), len(queried[1]))
    assert (0, True) == (ended[0], again[0] != 0), again
    assert ([], silence["id"], "expired") == (left, expired["id"], expired["status"]["state"])


async def test_amtool_extends_a_silence(mine: Reader, tmp_path: Path) -> None:
    """The one before ends and another takes its place, so that what was said stays."""
    _, added = await amtool(mine, tmp_path, "silence", "add", "--author=mk", "--comment=x", "alertname=Slow")
    code, said = await amtool(
        mine, tmp_path, "silence", "update", "--duration=5h", "--comment=y", added.strip()
    )
    (lasting,) = await asked(mine, tmp_path, "silence", "query")
    (ended,) = await asked(mine, tmp_path, "silence", "query", "--expired")

    assert (0, "y", "x", added.strip()) == (code, lasting["comment"], ended["comment"], ended["id"]), said
    assert lasting["id"] != ended["id"]


async def test_amtool_lists_what_fires(mine: Reader, tmp_path: Path) -> None:
    """And what is silenced when asked for; pending alerts are none there."""
    await alerts(mine)
    await amtool(mine, tmp_path, "silence", "add", "--author=mk", "--comment=x", "host=b")
    shown = {
        " ".join(options): sorted(
            f"{each['labels']['alertname']} {each['labels']['host']} {each['status']['state']}"
            for each in await asked(mine, tmp_path, "alert", "query", *options)
        )
        for options in ((), ("--silenced",), ("--active", "--silenced"), ("alertname=Slow",), ("host!~a.*",))
    }

    assert shown == {
        "": ["Full a active", "Slow a active"],
        "--silenced": ["Slow b suppressed"],
        "--active --silenced": ["Full a active", "Slow a active", "Slow b suppressed"],
        "alertname=Slow": ["Slow a active"],
        "host!~a.*": [],
    }


async def test_groups_status_and_receivers_have_the_shape_of_alertmanager(mine: Reader) -> None:
    """What Grafana asks for beside the rest."""
    await alerts(mine)
    groups = (await mine.ask("/api/v2/alerts/groups")).json()
    (one,) = (await mine.ask("/api/v2/alerts", filter='alertname="Full"')).json()
    receivers = (await mine.ask("/api/v2/receivers")).json()
    status = (await mine.ask("/api/v2/status")).json()
    of_nobody = (await mine.ask("/api/v2/alerts", receiver="nobody")).json()

    assert {("Full", 1), ("Slow", 2)} == {
        (group["labels"]["alertname"], len(group["alerts"]))
        for group in groups
        if group["receiver"] == {"name": "pager"}
    }
    assert ({"alertname": "Full", "host": "a"}, {"summary": "9 s"}, "active", "1970-01-01T00:00:00.001Z") == (
        one["labels"], one["annotations"], one["status"]["state"], one["startsAt"]
    )  # fmt: skip
    assert {"name": "pager"} in receivers
    assert ("disabled", True, []) == (status["cluster"]["status"], "versionInfo" in status, of_nobody)


@pytest.mark.parametrize(
    ("fields", "status", "said"),
    [
        pytest.param({"comment": ""}, 400, "comment", id="no comment"),
        pytest.param({"comment": "x" * 2001}, 400, "comment", id="long comment"),
        pytest.param({"id": "a\0"}, 400, "id", id="NUL"),
        pytest.param({"createdBy": " "}, 400, "author", id="no author"),
        pytest.param({"endsAt": "2020-01-01T00:00:00Z"}, 400, "ends_ms", id="over"),
        pytest.param({"endsAt": "tomorrow"}, 400, "endsAt", id="no time"),
        pytest.param({"endsAt": "2099-01-01T00:00:00"}, 400, "endsAt", id="no zone"),
        pytest.param({"endsAt": "9999-12-31T23:59:59.999999999Z"}, 400, "ends", id="end of time"),
        pytest.param({"matchers": []}, 400, "matchers", id="no matcher"),
        pytest.param(
            {"matchers": [{"name": "a", "value": ".*", "isRegex": True}]}, 400, "empty value", id="mutes all"
        ),
        pytest.param({"id": "00000000-0000-0000-0000-000000000000"}, 404, "no such silence", id="unknown id"),
        pytest.param({"id": "x"}, 404, "no such silence", id="no id"),
    ],
)
async def test_what_is_no_silence_is_refused_with_a_text(
    mine: Reader, fields: dict[str, Any], status: int, said: str
) -> None:
    """As Alertmanager does, so that clients show it."""
    body = {
        "matchers": [{"name": "alertname", "value": "Slow", "isRegex": False}], "createdBy": "mk", "comment": "x",
        "startsAt": "2020-01-01T00:00:00.123456789Z", "endsAt": "2026-12-31T00:00:00+01:00",
    } | fields  # fmt: skip
    answer = await mine.send("POST", "/api/v2/silences", body, await mine.key_of("oncall"))

    assert (status, True) == (answer.status_code, said in answer.json()), answer.text
    assert [] == (await mine.ask("/api/v2/silences")).json()


@pytest.mark.parametrize(
    ("method", "path", "scope", "status"),
    [
        ("GET", "/api/v2/silences", "read", 200), ("GET", "/api/v2/silences", "write", 403),
        ("POST", "/api/v2/silences", "read", 403), ("DELETE", "/api/v2/silence/x", "read", 403),
        ("DELETE", "/api/v2/silence/x", "oncall", 404), ("GET", "/api/v2/silence/x", "read", 404),
        ("GET", "/api/v2/silence/%00", "read", 400), ("DELETE", "/api/v2/silence/%00", "oncall", 400),
        ("GET", "/api/v2/alerts?active=maybe", "read", 400), ("GET", "/api/v2/alerts?filter=a", "read", 400),
        ("GET", "/api/v2/alerts?receiver=(", "read", 400), ("GET", "/api/v2/silences?filter=a=~(", "read", 400),
    ],
)  # fmt: skip
async def test_scopes_and_parameters_are_looked_at(
    mine: Reader, method: str, path: str, scope: str, status: int
) -> None:
    """Reading takes scope read, silencing scope oncall; a wrong parameter is named."""
    answer = await mine.send(method, path, key=await mine.key_of(scope))

    assert status == answer.status_code, answer.text
