"""Who is on call, at a desk and on a phone: acknowledges an alert, silences it, knows what that is about."""

import re
import secrets

import pytest
from playwright.async_api import Browser, expect

from services.alerts.domain.identity import alert_id
from tests.support.page import NARROW, OF_THE_PAGE, WIDE, logged_in, post, tab, ui
from tests.support.processes.system import System

pytestmark = OF_THE_PAGE

_ALERT = """
INSERT INTO alert_instance (rule, series_id, topic, partition, tenant_id, state, episode_ms, active_at_ms, fired_at_ms,
    last_closed_ms, last_breach_ms, value, expr, fingerprint, labels, annotations)
SELECT $2, $3, '', 0, tenant_id, 'firing', 70000, now_ms, now_ms, 70000, 70000, 9,
    'api:response_seconds:max_10s > 5', $2,
    jsonb_build_object('alertname', $2::text, 'endpoint', '/pay', 'severity', 'critical'), '{"summary": "9 s"}'
FROM tenant, (SELECT (extract(epoch FROM now()) * 1000)::bigint AS now_ms) AS clock WHERE name = $1
RETURNING tenant_id
"""


async def firing(system: System) -> str:
    """An alert that goes on firing, whatever comes; its name."""
    name = f"Held{secrets.token_hex(4)}"
    await system.sql(_ALERT, system.prefix, name, secrets.randbits(60))
    return name


@pytest.mark.parametrize("size", [pytest.param(WIDE, id="desk"), pytest.param(NARROW, id="phone")])
async def test_an_alert_is_acknowledged_and_silenced(
    system: System, browser: Browser, size: tuple[int, int]
) -> None:
    """Both ask who it is, once; a silence says how many alerts it is about, and stands in a list until it is ended."""
    name = await firing(system)
    viewport = {"width": size[0], "height": size[1]}
    context = await logged_in(
        browser, system.query_url, system.key, viewport=viewport, has_touch=size == NARROW
    )
    opened = await tab(context)
    page = opened.page
    await opened.opened(ui(system, "alerts"))
    row = page.locator(".alert-row", has=page.get_by_role("button", name=re.compile(f"^Silence {name}")))
    await row.get_by_role("button", name=re.compile("^Acknowledge")).click()
    await page.get_by_label("Your name").fill("mk")
    await page.get_by_label("What you do").fill("rolling back")
    faults = await opened.faults()
    await page.get_by_role("dialog").get_by_role("button", name="Acknowledge").click()
    await expect(row).to_contain_text("acknowledged by mk")
    await expect(row.get_by_role("button", name=re.compile("^Acknowledge"))).to_have_count(0)

    await row.get_by_role("button", name=re.compile("^Silence")).click()
    await expect(page.get_by_role("dialog")).to_contain_text("1 now, and 0 that fired in the last 7 days.")
    await expect(page.get_by_label("Your name")).to_have_value("mk")
    await page.get_by_role("dialog").get_by_label("Why", exact=True).fill("deploy")
    faults += await opened.faults()
    await page.get_by_role("dialog").get_by_role("button", name="Silence", exact=True).click()
    await expect(row).to_contain_text("silenced")
    await opened.page.reload()
    end = page.get_by_role("button", name=re.compile(f"^End the silence of alertname={name}"))
    await end.click()
    await expect(end).to_have_count(0)
    await expect(row).not_to_contain_text("silenced")
    faults += await opened.faults()
    await context.close()

    assert ([], []) == (faults, opened.said)


async def test_who_may_only_read_sees_what_was_done(system: System, browser: Browser) -> None:
    """No buttons; who is at it is shown, and what was said in the history."""
    name = await firing(system)
    tenant = await system.sql("SELECT tenant_id FROM tenant WHERE name = $1", system.prefix)
    labels = {"alertname": name, "endpoint": "/pay", "severity": "critical"}
    path = f"/v1/alerts/{alert_id(tenant[0]['tenant_id'], name, labels)}"
    made = (await post(system, "/v1/keys", {"scope": "read"}, system.query_url)).json()["key"]
    note = {"episode_ms": 70_000, "actor": "jo", "text": "<b>the cache</b>"}
    assert 201 == (await post(system, f"{path}/comment", note, system.query_url)).status_code
    assert 201 == (await post(system, f"{path}/ack", note, system.query_url)).status_code
    context = await logged_in(browser, system.query_url, made)
    opened = await tab(context)
    await opened.opened(ui(system, "alerts"))
    row = opened.page.locator(
        ".alert-row", has=opened.page.get_by_role("link", name=re.compile(f"^Why[?] {name}"))
    )
    await expect(row).to_contain_text("acknowledged by jo")
    buttons = await row.get_by_role("button").count()
    await row.get_by_role("link", name=re.compile("^Why")).click()
    await expect(opened.page.get_by_role("table", name="What people said")).to_contain_text(
        "<b>the cache</b>"
    )
    await context.close()

    assert (0, []) == (buttons, opened.said)
