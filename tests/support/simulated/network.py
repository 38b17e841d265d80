"""The way from a process to a server and back: a call takes time, and may be lost on either way.

Spans are seconds. A request whose answer is lost has taken effect, and its sender cannot tell. The server's side of a
call runs even when the caller has ended meanwhile.
"""

import asyncio
import contextlib
import random
from collections.abc import Callable
from contextvars import Context
from dataclasses import dataclass
from typing import Any

from shared.errors import Unavailable

LATENCY_S = 0.02
"""Longest way, unless the call is slow."""

SLOW_S = 3.0
"""Longest way of a slow one."""

LOST_S = 2.0
"""How long a caller takes at most to see that there is no answer."""


@dataclass(slots=True)
class Network:
    """Carries calls to one server."""

    loop: asyncio.AbstractEventLoop
    chance: random.Random
    server: str
    lost: float = 0.0
    """Part of the requests, and of the answers, that is lost."""
    slow: float = 0.0
    """Part of the ways that take long."""
    up: bool = True
    """Whether the server runs."""

    async def call(self, effect: Callable[[], Any], unknown: float = 0.0) -> Any:
        """What `effect` returns, or the future it returns yields, at the server. Raises `Unavailable`.

        `unknown` is the part of calls whose answer is lost for certain.
        """
        answer = self.loop.create_future()
        if self.chance.random() < unknown:
            self.later(self.way_s(), self._unheard, effect)
            self._give_up(answer)
            return await answer
        self.later(self.way_s(), self._arrive, effect, answer)
        return await answer

    def later(self, delay_s: float, callback: Callable[..., object], *args: Any) -> asyncio.TimerHandle:
        """Call back after a while, in no process: it happens even when who asked for it is gone."""
        return self.loop.call_later(delay_s, callback, *args, context=Context())

    def way_s(self) -> float:
        """How long the next way takes."""
        return self.chance.random() * (SLOW_S if self.chance.random() < self.slow else LATENCY_S)

    def _arrive(self, effect: Callable[[], Any], answer: asyncio.Future[Any]) -> None:
        if not self.up or self.chance.random() < self.lost:
            self._give_up(answer)
            return
        try:
            result = effect()
        except Unavailable as problem:
            self.later(self.way_s(), _fail, answer, problem)
            return
        if isinstance(result, asyncio.Future):
            result.add_done_callback(lambda done: self._return(done, answer), context=Context())
        else:
            self._answer(result, answer)

    def _return(self, done: asyncio.Future[Any], answer: asyncio.Future[Any]) -> None:
        problem = done.exception()
        if problem is None:
            self._answer(done.result(), answer)
        else:
            self.later(self.way_s(), _fail, answer, problem)

    def _unheard(self, effect: Callable[[], Any]) -> None:
        if self.up:
            with contextlib.suppress(Unavailable):
                effect()

    def _answer(self, result: Any, answer: asyncio.Future[Any]) -> None:
        if self.chance.random() < self.lost:
            self._give_up(answer)
        else:
            self.later(self.way_s(), _succeed, answer, result)

    def _give_up(self, answer: asyncio.Future[Any]) -> None:
        problem = Unavailable(self.server, "no answer")
        self.later(self.chance.random() * LOST_S, _fail, answer, problem)


def _succeed(answer: asyncio.Future[Any], result: Any) -> None:
    if not answer.done():
        answer.set_result(result)


def _fail(answer: asyncio.Future[Any], problem: BaseException) -> None:
    if not answer.done():
        answer.set_exception(problem)
