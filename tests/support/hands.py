"""How somebody uses the page: by keyboard alone at a desk, or by touch on a phone. A journey is written once for both.

CSS pixels. Neither hand does what its owner could not: no click by script, no focus set from outside.
"""

import re
from abc import ABC, abstractmethod

from playwright.async_api import Locator, Page

from tests.support.page import NARROW, WIDE

MOST_TABS = 160
"""As many stops as the longest page has, and more."""


class Hand(ABC):
    """What a journey does."""

    def __init__(self, page: Page) -> None:
        self.page = page

    @abstractmethod
    async def press(self, what: Locator) -> None:
        """Press a button, or follow a link."""

    @abstractmethod
    async def choose(self, what: Locator, text: str) -> None:
        """Choose an option by its text."""

    @abstractmethod
    async def brush(self, figure: Locator) -> None:
        """Brush the later half of a chart, or so."""

    @abstractmethod
    async def go(self, title: str, key: str) -> None:
        """Go to a page by its title, or by the key that it has."""

    @abstractmethod
    async def reach(self, what: Locator) -> None:
        """Come to a field."""

    async def write(self, what: Locator, text: str) -> None:
        """Write into a field, or paste."""
        await self.reach(what)
        await self.page.keyboard.insert_text(text)


class Keyboard(Hand):
    """Tab, letters, arrows and Enter."""

    async def reach(self, what: Locator) -> None:
        """Tab on until it has the focus."""
        await what.wait_for()
        for _ in range(MOST_TABS):
            if await what.evaluate("(one) => one === document.activeElement"):
                return
            await self.page.keyboard.press("Tab")
        raise AssertionError(f"no Tab leads to {what}")

    async def press(self, what: Locator) -> None:
        """Come to it, and press Enter."""
        await self.reach(what)
        await self.page.keyboard.press("Enter")

    async def choose(self, what: Locator, text: str) -> None:
        """Come to it, and type how the option begins."""
        await self.reach(what)
        await self.page.keyboard.type(text)

    async def brush(self, figure: Locator) -> None:
        """From the fourth last window to the last one."""
        await self.reach(figure)
        for key in ("End", *["ArrowLeft"] * 3, "Enter", "End", "Enter"):
            await self.page.keyboard.press(key)

    async def go(self, title: str, key: str) -> None:
        """Press g and the key."""
        await self.page.keyboard.press("g")
        await self.page.keyboard.press(key)


class Touch(Hand):
    """Taps, and a finger that rests and then drags."""

    async def reach(self, what: Locator) -> None:
        """Tap it."""
        await what.tap()

    async def press(self, what: Locator) -> None:
        """Tap it."""
        await what.tap()

    async def choose(self, what: Locator, text: str) -> None:
        """Take it in the phone's own picker, which no script can open."""
        option = what.locator("option").filter(has_text=re.compile(f"^{re.escape(text)}")).first
        await what.select_option(label=await option.inner_text())

    async def brush(self, figure: Locator) -> None:
        """Hold in the middle of the plot, and drag to its end."""
        plot = figure.locator(".chart-plot")
        await plot.scroll_into_view_if_needed()
        box = await plot.bounding_box()
        assert box is not None
        y, from_x, to_x = (
            box["y"] + box["height"] * 0.4,
            box["x"] + box["width"] * 0.6,
            box["x"] + box["width"] * 0.95,
        )
        finger = await self.page.context.new_cdp_session(self.page)

        async def touch(kind: str, *points: tuple[float, float]) -> None:
            at = [{"x": x, "y": y} for x, y in points]
            await finger.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": at})

        await touch("touchStart", (from_x, y))
        await figure.locator("rect.selection").wait_for(state="attached")
        for step in range(1, 6):
            await touch("touchMove", (from_x + (to_x - from_x) * step / 5, y + step))
        await touch("touchEnd")
        await finger.detach()

    async def go(self, title: str, key: str) -> None:
        """By the bar below, or by what stands under More."""
        bar = self.page.get_by_role("navigation", name="Pages, short")
        link = bar.get_by_role("link", name={"Vitals": "Experience"}.get(title, title))
        if await link.count():
            await link.tap()
            return
        await bar.get_by_role("button", name="More").tap()
        await self.page.get_by_role("dialog").get_by_role("link", name=title, exact=True).tap()


HANDS: dict[str, tuple[type[Hand], tuple[int, int]]] = {
    "keyboard": (Keyboard, WIDE),
    "touch": (Touch, NARROW),
}
"""Both, with the size of what they look at."""
