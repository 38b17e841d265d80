"""`/v1/silences` over real tables: who may, what is refused by field, and what is kept."""

from typing import Any

import pytest

from shared.runtime.clock import now_ms
from tests.support.http.reader import Reader

pytestmark = pytest.mark.servers

HOUR_S, DAY_MS = 3_600, 24 * 3_600_000

SLOW = {"name": "alertname", "value": "Slow"}

_ALERT = """
INSERT INTO alert_instance (rule, series_id, topic, partition, tenant_id, state, episode_ms, active_at_ms,
    last_closed_ms, last_breach_ms, value, expr, fingerprint, labels, annotations)
VALUES ('g/Slow', $1, '', 0, $2, $3, 1, 1, 1, 1, 9, '', '',
    jsonb_build_object('alertname', 'Slow', 'host', $4::text), '{}')
"""
_FIRED = """
INSERT INTO alert_event (rule, series_id, episode_ms, transition, tenant_id, reason, decided_on, at_ms, window_start_ms,
    value, threshold, expr, count, revision, watermark_ms, labels, key, recorded_at)
VALUES ('g/Slow', $1::bigint, $3::bigint, 'firing', $2, 'breach', 'closed', 1, 1, 1, 1, '', 1, 0, 1,
    jsonb_build_object('alertname', 'Slow', 'host', $4::text), $1::bigint::text || $3::bigint::text,
    now() - $5::float8 * interval '1 day')
"""


def asked(**fields: Any) -> dict[str, Any]:
    """A silence of all slow ones for an hour, with other fields."""
    return {"matchers": [SLOW], "author": "mk", "comment": "deploy", "lasts_s": HOUR_S} | fields


async def alerts(owner: Reader) -> None:
    """Three alerts: two last, of hosts a and b; that of host a has fired thrice, once eight days ago."""
    at = owner.tenant_id * 10
    for number, state, host in ((0, "firing", "a"), (1, "pending", "b"), (2, "resolved", "c")):
        await owner.write(_ALERT, (at + number, owner.tenant_id, state, host))
    for episode, days in ((1, 0.1), (2, 6.9), (3, 8.0)):
        await owner.write(_FIRED, (at, owner.tenant_id, episode, "a", days))


async def test_a_silence_is_made_listed_and_ended(mine: Reader, foreign: Reader) -> None:
    """All that was said of it stays; another tenant neither sees nor ends it."""
    await alerts(mine)
    key, theirs = await mine.key_of("oncall"), await foreign.key_of("oncall")
    made = await mine.send("POST", "/v1/silences", asked(), key)
    silence = made.json()
    listed = (await mine.ask("/v1/silences")).json()
    unseen = (await foreign.ask("/v1/silences")).json()["silences"]
    unended = await foreign.send("DELETE", f"/v1/silences/{silence['id']}", key=theirs)
    ended = await mine.send("DELETE", f"/v1/silences/{silence['id']}", key=key, author="on call")
    again = await mine.send("DELETE", f"/v1/silences/{silence['id']}", key=key)
    gone = (await mine.ask("/v1/silences")).json()["silences"]
    kept = (await mine.ask("/v1/silences", state="expired")).json()["silences"]

    assert (201, "active", [{**SLOW, "operator": "="}], "mk", "deploy", None) == (
        made.status_code, silence["state"], silence["matchers"], silence["author"], silence["comment"],
        silence["expired_by"],
    )  # fmt: skip
    assert abs(silence["starts_ms"] - now_ms()) < 60_000
    assert HOUR_S * 1000 - 1000 < silence["ends_ms"] - silence["starts_ms"] <= HOUR_S * 1000
    assert {"silences": [{**silence, "alerts": 2}], "truncated": False} == listed
    assert ([], 404, "unknown_silence") == (unseen, unended.status_code, unended.json()["code"])
    assert (200, "expired", "on call") == (
        ended.status_code,
        ended.json()["state"],
        ended.json()["expired_by"],
    )
    assert (404, [], [silence["id"]]) == (again.status_code, gone, [each["id"] for each in kept])


async def test_a_silence_to_come_can_be_ended_before_it_begins(mine: Reader) -> None:
    """It never is in force."""
    key, start_ms = await mine.key_of("oncall"), now_ms() + DAY_MS
    made = (await mine.send("POST", "/v1/silences", asked(starts_ms=start_ms), key)).json()
    ended = (await mine.send("DELETE", f"/v1/silences/{made['id']}", key=key)).json()

    assert ("pending", start_ms, "expired", True) == (
        made["state"], made["starts_ms"], ended["state"], ended["ends_ms"] <= now_ms()
    )  # fmt: skip


async def test_a_preview_counts_now_and_the_last_seven_days(mine: Reader) -> None:
    """Nothing is silenced by it."""
    await alerts(mine)
    key = await mine.key_of("oncall")
    of_all = (await mine.send("POST", "/v1/silences/preview", {"matchers": [SLOW]}, key)).json()
    of_one = (
        await mine.send(
            "POST", "/v1/silences/preview",
            {"matchers": [SLOW, {"name": "host", "operator": "!~", "value": "[b-z]"}]}, key,
        )
    ).json()  # fmt: skip
    of_none = (
        await mine.send("POST", "/v1/silences/preview", {"matchers": [{"name": "host", "value": "z"}]}, key)
    ).json()

    assert (2, 2, {"a", "b"}) == (
        of_all["now"], of_all["last_7_days"], {each["labels"]["host"] for each in of_all["alerts"]}
    )  # fmt: skip
    assert (1, 2, "firing", 0, 0, False) == (
        of_one["now"], of_one["last_7_days"], of_one["alerts"][0]["state"], of_none["now"], of_none["last_7_days"],
        of_none["truncated"],
    )  # fmt: skip
    assert [] == (await mine.ask("/v1/silences")).json()["silences"]


@pytest.mark.parametrize(
    ("fields", "code", "field"),
    [
        pytest.param({"lasts_s": None}, "invalid_silence", "ends_ms", id="no end"),
        pytest.param({"ends_ms": 1}, "invalid_silence", "ends_ms", id="two ends"),
        pytest.param({"lasts_s": None, "ends_ms": 1}, "invalid_silence", "ends_ms", id="over before it begins"),
        pytest.param({"lasts_s": 401 * 86_400}, "invalid_silence", "ends_ms", id="too long"),
        pytest.param({"lasts_s": 10**15}, "invalid_silence", "ends_ms", id="beyond all time"),
        pytest.param({"starts_ms": 10**17}, "invalid_silence", "starts_ms", id="begins beyond all time"),
        pytest.param({"author": ""}, "invalid_request", "author", id="nobody"),
        pytest.param({"author": " "}, "invalid_silence", "author", id="blank author"),
        pytest.param({"comment": "a\0b"}, "invalid_silence", "comment", id="NUL"),
        pytest.param({"comment": "x" * 2001}, "invalid_request", "comment", id="long comment"),
        pytest.param({"matchers": []}, "invalid_matcher", "matchers", id="no matcher"),
        pytest.param({"matchers": [{"name": "a", "value": ""}]}, "invalid_matcher", "matchers", id="mutes all"),
        pytest.param(
            {"matchers": [SLOW, {"name": "a", "operator": "=~", "value": "("}]}, "invalid_matcher", "matchers.1",
            id="broken pattern",
        ),
        pytest.param(
            {"matchers": [{"name": "a", "operator": "~", "value": "b"}]}, "invalid_matcher", "matchers.0", id="operator"
        ),
        pytest.param({"matchers": [{"name": "a"}]}, "invalid_request", "matchers", id="no value"),
        pytest.param({"until": 1}, "invalid_request", "body", id="unknown field"),
    ],
)  # fmt: skip
async def test_what_is_no_silence_is_refused_by_field(
    mine: Reader, fields: dict[str, Any], code: str, field: str
) -> None:
    """And nothing is silenced."""
    answer = await mine.send("POST", "/v1/silences", asked(**fields), await mine.key_of("oncall"))
    said = answer.json()

    assert (400, code) == (answer.status_code, said["code"])
    assert said["message"].startswith(field), said["message"]
    assert [] == (await mine.ask("/v1/silences")).json()["silences"]


@pytest.mark.parametrize(
    ("scope", "status"), [("read", 403), ("write", 403), ("oncall", 201), ("admin", 201)]
)
async def test_only_who_is_on_call_silences(mine: Reader, scope: str, status: int) -> None:
    """Reading is not enough; an admin may do all."""
    answer = await mine.send("POST", "/v1/silences", asked(), await mine.key_of(scope))

    assert status == answer.status_code


async def test_a_tenant_has_a_thousand_silences_at_once(mine: Reader) -> None:
    """Those that have ended make room."""
    await mine.write(
        "INSERT INTO silence (tenant_id, matchers, starts_at, ends_at, author, comment, key_id) "
        "SELECT $1, '[]', now(), now() + interval '1 hour', 'a', 'b', 'k' FROM generate_series(1, 1000)",
        (mine.tenant_id,),
    )
    key = await mine.key_of("oncall")
    refused = await mine.send("POST", "/v1/silences", asked(), key)
    await mine.write("UPDATE silence SET ends_at = now() WHERE tenant_id = $1", (mine.tenant_id,))
    taken = await mine.send("POST", "/v1/silences", asked(), key)

    assert (422, "too_many_silences", 201) == (refused.status_code, refused.json()["code"], taken.status_code)
