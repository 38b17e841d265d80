"""What somebody does by the page: logs in, asks, makes and revokes keys, connects an app; by keyboard and by touch."""

import asyncio
import os
import re
from collections.abc import AsyncIterator

import httpx2
import orjson
import pytest
import pytest_asyncio
from playwright.async_api import Browser, expect

from tests.support.hands import HANDS, Hand, Touch
from tests.support.page import AT_LENGTH, logged_in, stranger, tab, ui
from tests.support.processes.system import System

pytestmark = AT_LENGTH

REFUSED = "Failed to load resource"
"""What a browser itself writes to the console of an answer that is a refusal."""


@pytest_asyncio.fixture(loop_scope="package", params=HANDS)
async def hand(request: pytest.FixtureRequest, system: System, browser: Browser) -> AsyncIterator[Hand]:
    """Somebody with a browser of their own, who has logged in unless the test is about that."""
    kind, (width, height) = HANDS[request.param]
    options = {
        "viewport": {"width": width, "height": height},
        "has_touch": kind is Touch,
        "permissions": ["clipboard-read", "clipboard-write"],
    }
    is_known = "logs_in" not in request.node.name
    context = await (
        logged_in(browser, system.query_url, system.key, **options)
        if is_known
        else stranger(browser, **options)
    )
    opened = await tab(context)
    yield kind(opened.page)
    await context.close()
    assert [text for text in opened.said if REFUSED not in text] == []


async def copied(hand: Hand) -> str:
    """What is on the clipboard."""
    return str(await hand.page.evaluate("navigator.clipboard.readText()"))


async def ran(command: str, **environ: str) -> str:
    """What a command says that was pasted into a shell."""
    process = await asyncio.create_subprocess_shell(
        command, stdout=asyncio.subprocess.PIPE, env=os.environ | environ
    )
    return (await process.communicate())[0].decode()


async def test_somebody_logs_in_by_pasting_a_key(system: System, hand: Hand) -> None:
    """A key that nobody has is refused in words; a good one shows the page that was asked for."""
    page = hand.page
    await page.goto(ui(system, "vitals?from=now-6h"))
    await hand.write(page.get_by_label("Key"), "tg_r_nobody_has_this")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("alert")).to_contain_text("unauthorised")
    await hand.write(page.get_by_label("Key"), system.key)
    await hand.press(page.get_by_role("button", name="Log in"))

    await expect(page.get_by_role("heading", name="Web vitals")).to_be_visible()
    await expect(page).to_have_url(re.compile("/ui/vitals[?]from=now-6h"))
    await expect(page.locator(".tenant")).to_contain_text(system.prefix)


async def test_a_question_is_asked_and_taken_elsewhere(system: System, hand: Hand) -> None:
    """Metric, figure and label; what is copied as curl gives the same numbers in a shell."""
    page = hand.page
    await page.goto(ui(system, "explore"))
    await hand.choose(page.get_by_label("Metric"), "web_vital.lcp")
    await expect(page).to_have_url(re.compile("metric=web_vital.lcp"))
    await hand.choose(page.get_by_label("By", exact=True), "page (")
    await expect(page).to_have_url(re.compile("by=page"))
    await expect(page.get_by_role("button", name="/checkout", exact=True)).to_be_visible()
    elsewhere = page.get_by_label("The same elsewhere")
    for language in ("PromQL", "SQL", "Python", "curl"):
        await hand.press(elsewhere.get_by_role("button", name=language, exact=True))
        await expect(elsewhere.locator("pre")).to_contain_text(re.compile("web_vital.lcp"))
    await hand.press(elsewhere.get_by_role("button", name="Copy"))
    await expect(elsewhere).to_contain_text("Copied")

    answer = orjson.loads(await ran(await copied(hand), TIDEGAUGE_READ_KEY=system.key))
    assert {"/checkout", "/search", "/cart"} <= {
        one["labels"]["page"] for one in answer["results"][0]["series"]
    }


async def test_a_key_is_made_shown_once_and_revoked(system: System, hand: Hand) -> None:
    """The key that is shown opens what it is for; after a reload nobody sees it, and revoked it opens nothing."""
    page, name = hand.page, f"for {type(hand).__name__}"
    await page.goto(ui(system, "keys"))
    await hand.write(page.get_by_label("Name"), name)
    await hand.choose(page.get_by_label("Scope"), "read")
    await hand.press(page.get_by_role("button", name="Create"))
    secret = await page.locator(".secret").inner_text()
    assert await opens(system, secret)
    await page.reload()
    row = page.get_by_role("row", name=re.compile(name))
    await expect(row).to_contain_text("read")
    assert secret not in await page.content()
    await hand.press(page.get_by_role("button", name=f"Revoke {name}"))
    await hand.press(page.get_by_role("dialog").get_by_role("button", name=re.compile("^Revoke")))

    await expect(page.get_by_role("status").get_by_text(f"{name} is revoked")).to_be_visible()
    assert not await opens(system, secret)


async def opens(system: System, key: str) -> bool:
    """Whether a key opens a session."""
    async with httpx2.AsyncClient(base_url=system.query_url, headers={"X-API-Key": key}) as client:
        return (await client.get("/v1/session")).status_code == 200


async def test_an_app_is_connected_and_its_point_seen(system: System, hand: Hand) -> None:
    """The snippet with a key of its own, copied and run in a shell: what is refused is said, then what was stored."""
    page = hand.page
    await page.goto(ui(system, "connect"))
    first = page.get_by_label("2. See it come")
    await expect(first).to_contain_text("waiting, ")
    await hand.press(page.get_by_role("button", name="Put a new key in"))
    await expect(page.get_by_text("The snippet holds a new key of scope write.")).to_be_visible()
    await hand.press(page.get_by_label("1. Paste this into your app").get_by_role("button", name="Copy"))
    await expect(page.get_by_text("Copied")).to_be_visible()
    command = await copied(hand)
    await ran(command.replace(":42,", ":null,"))
    await expect(first).to_contain_text("request came: ")
    await expect(first).to_contain_text("value: ")
    assert '"accepted":1' in await ran(command)

    await expect(first).to_contain_text("stored: 1 point, seen ")
    await hand.press(first.get_by_role("link", name="see it"))
    await expect(page).to_have_url(re.compile("/ui/explore[?].*metric=my.first"))
    await expect(page.get_by_role("heading", level=1)).to_contain_text(
        re.compile("count of my.first: 1 sample, in windows|my.first has come in windows that are still open")
    )


async def test_a_snippet_is_there_for_what_one_has(system: System, hand: Hand) -> None:
    """Each names the address of the intake."""
    page = hand.page
    await page.goto(ui(system, "connect"))
    for name in ("Browser", "web-vitals", "Python", "OTLP", "Prometheus", "curl"):
        await hand.press(
            page.get_by_role("group", name="You have").get_by_role("button", name=name, exact=True)
        )
        await expect(page.get_by_label(f"Snippet for {name}")).to_contain_text(system.url)
