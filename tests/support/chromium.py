"""A page in Debian's Chromium, driven over its DevTools protocol.

Seconds as the names say.
"""

import asyncio
import re
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any, Self

import aiohttp

ANSWER_S = 30


class Page:
    """A tab."""

    def __init__(self, browser: "Chromium", session: str, target: str) -> None:
        self._browser, self._session, self._target = browser, session, target
        self.said: list[str] = []
        """What scripts have written to the console."""
        browser.listen(session, "Runtime.consoleAPICalled", self._hear)

    def _hear(self, call: dict[str, Any]) -> None:
        self.said.append(" ".join(str(each.get("value", each.get("description"))) for each in call["args"]))

    async def ask(self, method: str, **parameters: Any) -> dict[str, Any]:
        """One call of the protocol."""
        return await self._browser.ask(method, self._session, **parameters)

    async def open(self, url: str) -> None:
        """Go to an address, and wait until the page is loaded."""
        await self.ask("Page.navigate", url=url)
        await self.run(
            "new Promise((done) => document.readyState === 'complete' ? done() : onload = () => done())"
        )

    async def run(self, script: str) -> Any:
        """The value of a script; of a promise what it becomes."""
        answer = await self.ask("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    async def click(self) -> None:
        """Click into the page, as a user does."""
        for kind in ("mousePressed", "mouseReleased"):
            await self.ask("Input.dispatchMouseEvent", type=kind, x=30, y=30, button="left", clickCount=1)

    async def offline(self, *, is_offline: bool) -> None:
        """Whether the page has a network."""
        await self.ask(
            "Network.emulateNetworkConditions",
            offline=is_offline,
            latency=0,
            downloadThroughput=-1,
            uploadThroughput=-1,
        )

    async def skip(self, span_s: float) -> None:
        """Let the timers of the page pass such a span at once, with a stop at each request until it is answered."""
        over = asyncio.Event()
        self._browser.listen(self._session, "Emulation.virtualTimeBudgetExpired", lambda _: over.set())
        await self.ask(
            "Emulation.setVirtualTimePolicy",
            policy="pauseIfNetworkFetchesPending",
            budget=span_s * 1000,
            maxVirtualTimeTaskStarvationCount=1_000_000,
        )
        async with asyncio.timeout(ANSWER_S):
            await over.wait()

    async def crash(self) -> None:
        """End the page's process without a word."""
        await self._browser.notify("Page.crash", self._session)

    async def close(self) -> None:
        """Close the tab, as a user does."""
        await self._browser.ask("Target.closeTarget", targetId=self._target)


class Chromium:
    """A browser with a profile of its own."""

    def __init__(self, program: str, folder: Path) -> None:
        self._program = program
        self._folder = folder
        self._numbers = count(1)
        self._waiting: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._listeners: dict[tuple[str, str], Callable[[dict[str, Any]], None]] = {}

    async def __aenter__(self) -> Self:
        self._process = await asyncio.create_subprocess_exec(
            self._program, "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
            "--no-first-run", "--remote-debugging-port=0", f"--user-data-dir={self._folder}", "about:blank",
            stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        assert self._process.stderr is not None
        async with asyncio.timeout(ANSWER_S):
            while not (found := re.search(rb"ws://\S+", await self._process.stderr.readline())):
                assert self._process.returncode is None
        self._session = aiohttp.ClientSession()
        self._socket = await self._session.ws_connect(found[0].decode(), max_msg_size=0)
        self._reader = asyncio.create_task(self._read())
        self._drain = asyncio.create_task(self._process.stderr.read())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._process.terminate()
        await self._process.wait()
        await asyncio.gather(self._reader, self._drain)
        await self._session.close()

    async def ask(self, method: str, session: str = "", **parameters: Any) -> dict[str, Any]:
        """One call of the protocol."""
        number = next(self._numbers)
        answer: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._waiting[number] = answer
        await self._send(number, method, session, parameters)
        async with asyncio.timeout(ANSWER_S):
            return await answer

    def listen(self, session: str, event: str, listener: Callable[[dict[str, Any]], None]) -> None:
        """Hear of each such event of a tab."""
        self._listeners[session, event] = listener

    async def notify(self, method: str, session: str) -> None:
        """A call that gets no answer."""
        await self._send(next(self._numbers), method, session, {})

    async def _send(self, number: int, method: str, session: str, parameters: dict[str, Any]) -> None:
        call = {"id": number, "method": method, "params": parameters}
        await self._socket.send_json(call | ({"sessionId": session} if session else {}))

    async def page(self, *, apart: bool = False) -> Page:
        """A new tab, in front of the others; `apart`: with a storage of its own."""
        context = await self.ask("Target.createBrowserContext") if apart else {}
        target = (await self.ask("Target.createTarget", url="about:blank", **context))["targetId"]
        session = (await self.ask("Target.attachToTarget", targetId=target, flatten=True))["sessionId"]
        page = Page(self, session, target)
        for domain in ("Page", "Runtime", "Network"):
            await page.ask(f"{domain}.enable")
        return page

    async def _read(self) -> None:
        async for message in self._socket:
            read = message.json()
            listener = self._listeners.get((read.get("sessionId", ""), read.get("method", "")))
            if listener is not None:
                listener(read["params"])
            waiting = self._waiting.pop(read.get("id", 0), None)
            if waiting is not None and not waiting.done():
                if "error" in read:
                    waiting.set_exception(RuntimeError(str(read["error"])))
                else:
                    waiting.set_result(read["result"])
