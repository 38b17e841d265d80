"""Addresses that ask for what cannot be: each has its sentence, and the page around it stands."""

import re
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from playwright.async_api import Browser, expect

from tests.support.page import AT_LENGTH, Tab, listened, ui
from tests.support.processes.system import System

pytestmark = AT_LENGTH

TIMED = ("overview", "vitals", "latency", "errors", "funnels", "explore", "pipeline")
MARKUP = "<img src=x onerror=document.title='taken'>"
REFUSED = "Failed to load resource"
"""What a browser itself writes to the console of an answer that is a refusal."""


@pytest_asyncio.fixture(loop_scope="package")
async def opened(system: System, browser: Browser) -> AsyncIterator[Tab]:
    """A tab of somebody who has logged in; no page may throw or break the policy."""
    async with listened(browser, system, REFUSED) as made:
        yield made


async def test_a_metric_that_is_gone_is_said(system: System, opened: Tab) -> None:
    """Explore names it, and what there is can be chosen instead."""
    await opened.opened(ui(system, "explore?metric=shop.of_last_year&agg=p95&by=aisle"))

    await expect(opened.page.get_by_role("alert")).to_contain_text("unknown_metric")
    await expect(opened.page.get_by_label("Metric")).to_have_value("shop.of_last_year")


@pytest.mark.parametrize("name", TIMED)
async def test_a_range_of_400_years_is_refused_in_words(system: System, opened: Tab, name: str) -> None:
    """Neither an empty page nor one that says that nothing came; and a shorter range is a choice away."""
    await opened.opened(ui(system, f"{name}?from=1626-01-01T00:00&to=2026-01-01T00:00"))
    said = opened.page.locator("main").get_by_text(
        re.compile("the range must be at most|at most a day of them|at most 400 days|from: ", re.IGNORECASE)
    )
    await expect(said.first).to_be_visible()
    text = await opened.text()
    # The pipeline shows the last day of the range, and says so.
    nothing = "no request has been measured|no errors in this range" + (
        "" if name == "pipeline" else "|nothing came"
    )
    assert not re.search(f"(?i){nothing}", text)
    await opened.page.get_by_label("Range", exact=True).select_option("now-1h now")
    await opened.settled()

    await expect(said).to_have_count(0)


async def test_the_longest_range_is_a_button_away(system: System, opened: Tab) -> None:
    """What a refusal names instead is asked when it is pressed."""
    await opened.opened(ui(system, "latency?from=1971-01-01T00:00&to=now"))
    await opened.page.get_by_role("button", name=re.compile("^Ask since .* instead$")).click()
    await expect(opened.page).not_to_have_url(re.compile("1971"))
    await opened.settled()

    await expect(opened.page.locator(".problem")).to_have_count(0)


@pytest.mark.parametrize(
    "bounds", ["from=yesterday", "from=now&to=now-1h", "from=99999999999999999999", "from=-5000-01-01"]
)
async def test_a_range_that_is_none_is_refused_in_words(system: System, opened: Tab, bounds: str) -> None:
    """On every page that has a range."""
    for name in TIMED:
        await opened.opened(ui(system, f"{name}?{bounds}"))
        await expect(opened.page.locator("main .problem, main .empty").first, name).to_be_visible()


async def test_a_long_label_is_asked_for_or_left_out_with_a_word(system: System, opened: Tab) -> None:
    """Up to a thousand characters everywhere; above the filter says so, or the gateway of too long an address."""
    for name in ("overview", "vitals", "latency", "explore"):
        await opened.opened(ui(system, f"{name}?where=endpoint={'ü' * 700}"))
        assert "too_long" not in await opened.text(), name
    await opened.opened(ui(system, f"latency?where=endpoint={'x' * 3000}"))
    await expect(opened.page.get_by_role("alert")).to_have_text(
        "A condition of 3,009 characters is left out of the filter: it may have 1,000."
    )
    await opened.page.goto(ui(system, f"latency?where=endpoint={'x' * 10_000}"))

    await expect(opened.page.locator("body")).to_contain_text("target: at most 8192 bytes")


async def test_a_zone_that_is_none_is_said(system: System, opened: Tab) -> None:
    """Every page has its figures, in the zone of the browser."""
    for name in TIMED:
        await opened.opened(ui(system, f"{name}?tz=Mars/Olympus&from=2026-01-01T00:00&to=now"))
        await expect(opened.page.get_by_role("alert").first).to_contain_text(
            "No time zone is called “Mars/Olympus”"
        )
        await expect(opened.page.get_by_label("Time zone")).to_have_value("Europe/Berlin")


async def test_markup_in_an_address_is_text(system: System, opened: Tab) -> None:
    """In the filter, a metric, a selection, a page's name and an alert's: nothing of it becomes an element."""
    for path in (
        f"latency?where=endpoint={MARKUP}&sel={MARKUP}&by={MARKUP}",
        f"explore?metric={MARKUP}&agg={MARKUP}&chart={MARKUP}",
        f"errors?sel={MARKUP}&compare={MARKUP}", f"vitals?vital={MARKUP}&p={MARKUP}&tz={MARKUP}", f"alerts/{MARKUP}",
        f"connect?with={MARKUP}&intake={MARKUP}", f"funnels?funnel={MARKUP}", f"alerts?state={MARKUP}",
    ):  # fmt: skip
        await opened.opened(ui(system, path))
        found = await opened.page.locator("img, main script").count()
        assert (found, "taken" in await opened.page.title()) == (0, False), path
    await opened.page.goto(ui(system, MARKUP))

    await expect(opened.page.get_by_text("There is no such page")).to_be_visible()
    await expect(opened.page.get_by_text("onerror=document.title")).to_be_visible()


async def test_no_link_chooses_where_a_key_is_sent(system: System, opened: Tab) -> None:
    """The snippet of Connect has the address that the gateway names, or what is typed on the page itself."""
    await opened.opened(ui(system, "connect?intake=https://elsewhere.example"))
    assert "elsewhere" not in await opened.text()

    await opened.page.get_by_label("Address of the intake").fill("https://typed.example")

    await expect(opened.page.get_by_label("Snippet for curl")).to_contain_text("https://typed.example/v1")
