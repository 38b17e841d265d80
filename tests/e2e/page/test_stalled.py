"""A worker that stands still is shown as such, and what it leaves open stays open."""

import re
import signal

from playwright.async_api import Browser, expect

from tests.support.page import AT_LENGTH, logged_in, tab, ui
from tests.support.processes.system import System

pytestmark = AT_LENGTH


async def test_a_stalled_worker_is_shown_as_stalled(system: System, browser: Browser) -> None:
    """The frame says since when and that numbers will still rise, and leads to the pipeline; then it is live again."""
    context = await logged_in(browser, system.query_url, system.key)
    opened = await tab(context)
    chip = opened.page.locator(".chip-state")
    await opened.opened(ui(system))
    await expect(chip).to_contain_text("live")
    worker = system.workers["aggregator"]
    worker.signal(signal.SIGSTOP)
    try:
        await expect(chip).to_contain_text("behind")
        await expect(chip).to_contain_text(
            re.compile(r"stalled since \d\d:\d\d: newer numbers will still rise")
        )
        await chip.click()
        await expect(opened.page).to_have_url(ui(system, "pipeline"))
    finally:
        worker.signal(signal.SIGCONT)
    await opened.page.go_back()
    await expect(chip).to_contain_text("live")
    await context.close()

    assert opened.said == []
