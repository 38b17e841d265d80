"""`GET /v1/alerts` over real tables."""

from typing import Any

import pytest

from services.alerts.domain.identity import alert_id
from shared.runtime.clock import now_ms
from tests.support.http.reader import Reader

pytestmark = pytest.mark.servers

DAY_MS = 24 * 3_600_000

_ALERT = """
INSERT INTO alert_instance (rule, series_id, topic, partition, tenant_id, state, episode_ms, active_at_ms, fired_at_ms,
    resolved_at_ms, last_closed_ms, last_breach_ms, value, expr, fingerprint, labels, annotations)
VALUES ($1, $2, '', 0, $2, $3, $4, $4, $5, $6, $4, $4, 0.75, 'p95:m_10s > 0.5', $1::text || '@' || $2::bigint,
    '{"host": "a"}', '{"summary": "slow"}')
"""
_TRANSITION = """
INSERT INTO alert_event (rule, series_id, episode_ms, transition, tenant_id, reason, decided_on, at_ms, window_start_ms,
    value, threshold, expr, count, revision, watermark_ms, labels, key)
VALUES ($1, $2, $3, $4, $2, 'breach', 'closed', $5, $5::bigint - 10000, 0.75, 0.5, 'p95:m_10s > 0.5', 12, 1,
    $5::bigint + 3, '{}', $1::text || $3::bigint || $4::text)
"""
_MANY = """
INSERT INTO alert_instance (rule, series_id, topic, partition, tenant_id, state, episode_ms, active_at_ms,
    last_closed_ms, last_breach_ms, value, expr, fingerprint, labels, annotations)
SELECT 'r' || n, $1, '', 0, $1, 'pending', n, n, n, n, 1, '', 'f' || n, '{}', '{}' FROM generate_series(1, 1001) AS n
"""


async def alert(
    owner: Reader,
    rule: str,
    state: str,
    since_ms: int,
    *,
    fired: int | None = None,
    resolved: int | None = None,
) -> str:
    """Write an alert as the alert service does; its fingerprint."""
    await owner.write(_ALERT, (rule, owner.tenant_id, state, since_ms, fired, resolved))
    return f"{rule}@{owner.tenant_id}"


async def rules(owner: Reader, **params: Any) -> list[str]:
    """Rules of the alerts in an answer."""
    return [one["rule"] for one in (await owner.ask("/v1/alerts", **params)).json()["alerts"]]


async def test_alerts_are_listed_as_they_stand(mine: Reader, foreign: Reader) -> None:
    """Those that last, the latest transition first; resolved ones when asked for; none of another tenant."""
    now = now_ms()
    await alert(mine, "waits", "pending", now - 3000)
    await alert(mine, "fires", "firing", now - 9000, fired=now - 1000)
    await alert(mine, "was", "resolved", now - 9000, fired=now - 8000, resolved=now - 500)
    await alert(mine, "was yesterday", "resolved", now - 3 * DAY_MS, resolved=now - DAY_MS - 60_000)
    await alert(foreign, "theirs", "firing", now, fired=now)

    assert ["fires", "waits"] == await rules(mine)
    assert ["was"] == await rules(mine, state="resolved")
    assert ["was", "fires"] == await rules(mine, state=["firing", "resolved"])


async def test_an_alert_shows_all_that_is_known_of_it(mine: Reader) -> None:
    """Times in milliseconds, labels and annotations as objects."""
    now = now_ms()
    fingerprint = await alert(mine, "slow", "firing", now - 9000, fired=now - 1000)

    answer = (await mine.ask("/v1/alerts")).json()
    shown = answer["alerts"][0]

    assert (False, True) == (answer["truncated"], abs(shown.pop("updated_at_ms") - now) < 60_000)
    assert shown == {
        "alert_id": alert_id(mine.tenant_id, "slow", {"host": "a"}),
        "rule": "slow", "state": "firing", "fingerprint": fingerprint, "labels": {"host": "a"},
        "annotations": {"summary": "slow"}, "value": 0.75, "expr": "p95:m_10s > 0.5", "episode_ms": now - 9000,
        "active_at_ms": now - 9000, "fired_at_ms": now - 1000, "resolved_at_ms": None,
        "acknowledged": None, "assigned_to": None, "resolved_by_hand": None, "silenced_by": [],
    }  # fmt: skip


async def test_more_alerts_than_an_answer_holds_are_said_to_be_left_out(mine: Reader) -> None:
    """The newest thousand are given."""
    await mine.write(_MANY, (mine.tenant_id,))

    answer = (await mine.ask("/v1/alerts")).json()

    assert (1000, "r1001", "r2", True) == (
        len(answer["alerts"]),
        answer["alerts"][0]["rule"],
        answer["alerts"][-1]["rule"],
        answer["truncated"],
    )


async def test_an_alert_shows_its_working(mine: Reader, foreign: Reader) -> None:
    """Each transition with its evaluation, newest first; transitions of one instant in the order of an episode."""
    fingerprint = await alert(mine, "slow", "firing", 70_000, fired=80_000)
    await alert(foreign, "slow", "firing", 70_000, fired=80_000)
    for episode_ms, transition, at_ms in (
        (10_000, "firing", 20_000), (10_000, "pending", 20_000), (10_000, "resolved", 40_000),
        (70_000, "pending", 80_000),
    ):  # fmt: skip
        await mine.write(_TRANSITION, ("slow", mine.tenant_id, episode_ms, transition, at_ms))
    await foreign.write(_TRANSITION, ("slow", foreign.tenant_id, 90_000, "pending", 90_000))

    body = (await mine.ask(f"/v1/alerts/{fingerprint}/history")).json()
    transitions = body.pop("transitions")

    assert {
        "alert_id": alert_id(mine.tenant_id, "slow", {"host": "a"}),
        "fingerprint": fingerprint,
        "rule": "slow",
        "labels": {"host": "a"},
        "truncated": False,
        "notes": [],
    } == body
    assert [(70_000, "pending"), (10_000, "resolved"), (10_000, "firing"), (10_000, "pending")] == [
        (one["episode_ms"], one["transition"]) for one in transitions
    ]
    assert transitions[1] == {
        "transition": "resolved", "reason": "breach", "decided_on": "closed", "episode_ms": 10_000, "at_ms": 40_000,
        "window_start_ms": 30_000, "value": 0.75, "threshold": 0.5, "expr": "p95:m_10s > 0.5", "count": 12.0,
        "revision": 1, "watermark_ms": 40_003, "key": "slow10000resolved",
    }  # fmt: skip


async def test_alerts_that_share_a_fingerprint_are_told_apart(mine: Reader) -> None:
    """Each has its id and its history; the fingerprint names both, and is no name for one of them."""
    for rule in ("one", "other"):
        await mine.write(_ALERT, (rule, mine.tenant_id, "firing", 70_000, 80_000, None))
        await mine.write(_TRANSITION, (rule, mine.tenant_id, 70_000, "firing", 80_000))
    await mine.write(
        "UPDATE alert_instance SET fingerprint = 'shared' WHERE tenant_id = $1", (mine.tenant_id,)
    )
    ids = {rule: alert_id(mine.tenant_id, rule, {"host": "a"}) for rule in ("one", "other")}

    refused = await mine.ask("/v1/alerts/shared/history")
    listed = (await mine.ask("/v1/fingerprints/shared")).json()["alerts"]
    histories = [(await mine.ask(f"/v1/alerts/{ids[rule]}/history")).json() for rule in ids]

    assert (409, "ambiguous_alert") == (refused.status_code, refused.json()["code"])
    assert set(ids.values()) == {each["alert_id"] for each in listed}
    assert [("one", 1), ("other", 1)] == [(each["rule"], len(each["transitions"])) for each in histories]


async def test_an_alert_without_transitions_has_an_empty_history(mine: Reader) -> None:
    """It is known, and nothing is known of how it came."""
    fingerprint = await alert(mine, "new", "pending", 70_000)

    answer = await mine.ask(f"/v1/alerts/{fingerprint}/history")

    assert (200, []) == (answer.status_code, answer.json()["transitions"])


async def test_an_alert_of_another_tenant_is_unknown(mine: Reader, foreign: Reader) -> None:
    """404, as for one that never was."""
    fingerprint = await alert(foreign, "theirs", "firing", 70_000)

    answers = [await mine.ask(f"/v1/alerts/{name}/history") for name in (fingerprint, "none", "' OR 1=1 --")]

    assert [(404, "unknown_alert")] * 3 == [(each.status_code, each.json()["code"]) for each in answers]


@pytest.mark.parametrize(
    ("path", "state", "code"),
    [
        ("/v1/alerts", ["open"], "invalid_state"),
        ("/v1/alerts", ["firing", ""], "invalid_state"),
        ("/v1/alerts/a%00b/history", [], "invalid_alert_id"),
    ],
)
async def test_a_wrong_question_about_alerts_is_named(
    mine: Reader, path: str, state: list[str], code: str
) -> None:
    """400 with a stable code."""
    answer = await mine.ask(path, state=state)

    assert (400, code) == (answer.status_code, answer.json()["code"])


@pytest.mark.parametrize("path", ["/v1/alerts", "/v1/alerts/x/history"])
@pytest.mark.parametrize(("key", "status"), [("write", 403), ("wrong", 401)])
async def test_only_who_may_read_reads_alerts(mine: Reader, path: str, key: str, status: int) -> None:
    """A key that writes sees nothing."""
    assert status == (await mine.ask(path, key)).status_code
