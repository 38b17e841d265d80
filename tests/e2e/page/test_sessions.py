"""Keys at the page: one that may not look, one that may not see keys, one that is revoked while somebody looks."""

from collections.abc import Mapping
from typing import Any

import httpx2
import pytest
from playwright.async_api import Browser, expect

from tests.support.page import AT_LENGTH, logged_in, stranger, tab, ui
from tests.support.processes.system import System

pytestmark = AT_LENGTH

ENDED = "Your session has ended: its key was revoked, or it is older than 12 hours."


async def asked(system: System, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
    """What the API answers to an admin."""
    async with httpx2.AsyncClient(base_url=system.query_url, headers={"X-API-Key": system.key}) as client:
        answer = await client.request(method, path, json=body)
        return answer.raise_for_status().json()


async def new_key(system: System, scope: str) -> str:
    """A key of a scope."""
    return str((await asked(system, "POST", "/v1/keys", {"scope": scope}))["key"])


async def revoked(system: System, key: str) -> None:
    """End a key."""
    found = (await asked(system, "GET", "/v1/keys"))["keys"]
    one = next(each["id"] for each in found if key.startswith(each["prefix"]) and each["state"] == "live")
    await asked(system, "DELETE", f"/v1/keys/{one}")


async def test_a_key_that_may_not_read_opens_no_session(system: System, browser: Browser) -> None:
    """It is refused in words, and another key may be tried at once."""
    context = await stranger(browser)
    opened = await tab(context)
    await opened.page.goto(ui(system))
    for key, said in (
        (await new_key(system, "write"), "does not grant 'read'"),
        ("nobody-has-this", "unauthorised"),
    ):
        await opened.page.get_by_label("Key").fill(key)
        await opened.page.get_by_role("button", name="Log in").click()
        await expect(opened.page.get_by_role("alert")).to_contain_text(said)
    await opened.page.get_by_label("Key").fill(system.key)
    await opened.page.get_by_role("button", name="Log in").click()

    await expect(opened.page.get_by_role("heading", name="Needs you")).to_be_visible()
    await context.close()


async def test_a_key_that_may_not_see_keys_is_told_so(system: System, browser: Browser) -> None:
    """The page of keys says which scope it takes, and which one somebody has; all others show what they show."""
    context = await logged_in(browser, system.query_url, await new_key(system, "read"))
    opened = await tab(context)
    await opened.opened(ui(system, "keys"))

    await expect(opened.page.locator("main")).to_contain_text(
        "Only a key of scope admin may see and change keys"
    )
    await expect(opened.page.locator("main")).to_contain_text("You are logged in with a key of scope read.")
    await context.close()
    assert opened.said == []


@pytest.mark.parametrize("name", ["overview", "explore", "alerts", "errors?from=now-6h"])
async def test_a_key_that_is_revoked_while_one_looks_ends_the_session_in_words(
    system: System, browser: Browser, name: str
) -> None:
    """The log-in page says why, without a step of the visitor; another key leads back to where one was."""
    key = await new_key(system, "read")
    context = await logged_in(browser, system.query_url, key)
    opened = await tab(context)
    await opened.opened(ui(system, name))
    before = await opened.page.locator("main h1").count()
    await revoked(system, key)
    await expect(opened.page.get_by_role("alert")).to_contain_text(ENDED)
    assert opened.page.url == ui(system, name)
    await opened.page.get_by_label("Key").fill(system.key)
    await opened.page.get_by_role("button", name="Log in").click()

    await expect(opened.page.get_by_label("Key")).to_have_count(0)
    await opened.settled()
    assert before == await opened.page.locator("main h1").count()
    await expect(opened.page.locator(".problem")).to_have_count(0)
    await context.close()
