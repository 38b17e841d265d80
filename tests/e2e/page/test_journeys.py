"""Journeys through the page, each by keyboard alone at a desk and by touch on a phone: what one came to look at."""

import re
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from playwright.async_api import Browser, BrowserContext, expect

from tests.support.hands import HANDS, Hand, Keyboard, Touch
from tests.support.page import AT_LENGTH, logged_in, tab, ui
from tests.support.processes.system import System

pytestmark = AT_LENGTH


@pytest_asyncio.fixture(scope="module", loop_scope="package", params=HANDS)
async def walker(
    request: pytest.FixtureRequest, system: System, browser: Browser
) -> AsyncIterator[tuple[type[Hand], BrowserContext]]:
    """Somebody who has logged in, and how they use the page."""
    kind, (width, height) = HANDS[request.param]
    context = await logged_in(
        browser,
        system.query_url,
        system.key,
        viewport={"width": width, "height": height},
        has_touch=kind is Touch,
    )
    yield kind, context
    await context.close()


@pytest_asyncio.fixture(loop_scope="package")
async def hand(walker: tuple[type[Hand], BrowserContext]) -> AsyncIterator[Hand]:
    """A tab of theirs."""
    kind, context = walker
    opened = await tab(context)
    yield kind(opened.page)
    await opened.page.close()
    assert opened.said == []


async def test_what_needs_somebody_leads_to_why(system: System, hand: Hand) -> None:
    """Overview, the alert, the evaluation that it was decided on: two steps."""
    page = hand.page
    await page.goto(ui(system, "alerts?state=resolved"))
    await hand.press(page.get_by_role("button", name=re.compile("^firing|^resolved")).first)
    await hand.press(page.get_by_role("button", name=re.compile("resolved in the last day")))
    await hand.press(page.get_by_role("link", name=re.compile("^Why[?] ApiResponseCritical")).first)

    await expect(page.get_by_role("heading", name="Why?")).to_be_visible()
    await expect(page.locator("main")).to_contain_text("against a limit of 5")
    await page.get_by_role("figure").first.wait_for()
    await hand.press(page.get_by_role("link", name="Explore these rows"))
    await expect(page).to_have_url(re.compile("/ui/explore[?].*from="))


async def test_a_brush_is_the_range_and_back_undoes_it(system: System, hand: Hand) -> None:
    """The part of a chart that was brushed stands in the address; Back has the one before it."""
    page = hand.page
    await page.goto(ui(system, "overview?from=now-15m"))
    await hand.brush(page.get_by_role("figure", name=re.compile("Requests per second")))

    await expect(page).to_have_url(re.compile(r"from=\d{4}-\d\d-\d\dT.*to=\d{4}"))
    await expect(page.get_by_role("button", name="Resume")).to_be_visible()
    await page.go_back()
    await expect(page).to_have_url(re.compile("from=now-15m$"))
    await expect(page.get_by_label("Range", exact=True)).to_have_value("now-15m now")


async def test_bars_are_brushed_as_lines_are(system: System, hand: Hand) -> None:
    """Errors over time are bars, and their range is chosen the same way."""
    page = hand.page
    await page.goto(ui(system, "errors?from=now-15m"))
    await hand.brush(page.get_by_role("figure", name=re.compile("Errors over time")))

    await expect(page).to_have_url(re.compile(r"from=\d{4}-\d\d-\d\dT.*to=\d{4}"))


async def test_a_filter_is_written_and_taken_away(system: System, hand: Hand) -> None:
    """The box opens by `/` or by its button, the condition stands in the address, and focus is where it was."""
    page = hand.page
    await page.goto(ui(system, "latency"))
    await page.get_by_role("figure").first.wait_for()
    if isinstance(hand, Keyboard):
        await page.keyboard.press("/")
    else:
        await hand.press(page.get_by_role("button", name="+ filter"))
    await expect(page.get_by_placeholder("label=value")).to_be_focused()
    await page.keyboard.insert_text("endpoint=/checkout")
    await page.keyboard.press("Enter")

    await expect(page).to_have_url(re.compile("where=endpoint%3D/checkout|where=endpoint=/checkout"))
    await expect(page.get_by_role("button", name="+ filter")).to_be_focused()
    await hand.press(page.get_by_role("button", name="Remove endpoint=/checkout"))
    await expect(page).to_have_url(ui(system, "latency"))


async def test_any_time_before_is_compared_with(system: System, hand: Hand) -> None:
    """A span that the list does not name is typed, and stands in the address."""
    page = hand.page
    await page.goto(ui(system, "latency?from=now-15m"))
    await page.get_by_role("figure").first.wait_for()
    await hand.choose(page.get_by_label("Compare with"), "a")
    await hand.write(page.get_by_label("How many"), "3")
    await hand.press(page.get_by_role("dialog").get_by_role("button", name="Compare"))

    await expect(page).to_have_url(re.compile("compare=3d"))
    await expect(page.get_by_label("Compare with")).to_have_value("3d")


async def test_every_page_is_a_step_away(system: System, hand: Hand) -> None:
    """By `g` and a letter, or by the bar below; each says its name."""
    page = hand.page
    await page.goto(ui(system))
    pages = {
        "Vitals": "v", "Latency": "l", "Errors": "e", "Funnels": "f", "Alerts": "a", "Explore": "x",
        "Pipeline": "p", "Connect": "c", "Keys": "k", "Overview": "o",
    }  # fmt: skip
    for title, key in pages.items():
        await page.locator("main h1, main h2").first.wait_for()
        await hand.go(title, key)
        await expect(page).to_have_url(ui(system, title.lower()))
        await expect(page).to_have_title(re.compile(f"{title} · Tidegauge"))


async def test_a_part_of_the_heat_map_says_what_differs(system: System, hand: Hand) -> None:
    """A selection of time and values is ranked by label; Escape gives it up."""
    page = hand.page
    await page.goto(ui(system, "latency?from=now-15m"))
    await hand.brush(page.get_by_role("figure", name=re.compile("Heat map")))

    await expect(page).to_have_url(re.compile("sel="))
    differs = page.get_by_label("What differs")
    await expect(differs.get_by_text(re.compile("elsewhere|Copy as text|Nothing")).first).to_be_visible()
    await page.keyboard.press("Escape")
    await page.keyboard.press("Escape")
    await expect(page).not_to_have_url(re.compile("sel="))


async def test_a_page_that_hurts_is_opened(system: System, hand: Hand) -> None:
    """Another vital and quantile, then the row of a page: how its loads are spread."""
    page = hand.page
    await page.goto(ui(system, "vitals"))
    await hand.press(page.get_by_role("group", name="Vital").get_by_role("button", name="CLS"))
    await expect(page).to_have_url(re.compile("vital=cls"))
    await hand.press(page.get_by_role("group", name="Quantile").get_by_role("button", name="p90"))
    await expect(page).to_have_url(re.compile("p=p90"))
    await hand.press(page.get_by_role("button", name="/search"))

    await expect(page.get_by_label("/search in detail").get_by_role("figure")).to_be_visible()
    await hand.press(page.get_by_label("/search in detail").get_by_role("button", name="Close"))
    await expect(page).not_to_have_url(re.compile("sel="))


async def test_an_error_is_opened(system: System, hand: Hand) -> None:
    """A kind of error: message, stack or that there is none, the latest events."""
    page = hand.page
    await page.goto(ui(system, "errors"))
    await hand.press(page.get_by_role("button", name="TypeError"))
    detail = page.get_by_label("TypeError in detail")

    await expect(detail).to_contain_text("The client sent no stack.")
    await hand.press(detail.locator("summary"))
    await expect(detail.locator("li").first).to_be_visible()


async def test_a_step_of_a_funnel_is_chosen(system: System, hand: Hand) -> None:
    """The step stands in the address."""
    page = hand.page
    await page.goto(ui(system, "funnels"))
    step = page.get_by_role("listitem").get_by_role("button", name="Effect viewing")
    await hand.press(step)

    await expect(step).to_have_attribute("aria-pressed", "true")
    await expect(page).to_have_url(re.compile("sel=effect_viewing"))


async def test_a_chart_is_read_as_a_table(system: System, hand: Hand) -> None:
    """The same data without a picture: by T, or by its button."""
    page = hand.page
    await page.goto(ui(system, "pipeline"))
    figure = page.get_by_role("figure", name=re.compile("Points by minute"))
    if isinstance(hand, Keyboard):
        await hand.reach(figure)
        await page.keyboard.press("t")
    else:
        await hand.press(figure.get_by_role("button", name="Table"))

    await expect(figure.get_by_role("columnheader", name="counted")).to_be_visible()
    await expect(page.locator("main")).to_contain_text("= 0: it closes")
    await expect(page.locator("main")).to_contain_text(
        re.compile(r"\d+ of at most 500 live streams are open")
    )
