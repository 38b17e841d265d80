"""An event loop with a clock of its own, on which a seed decides who goes next.

Spans are seconds of that clock, which stands still while any task can run. A process is the tasks that were started in
it: a killed one never runs again and cleans nothing up; a frozen one goes on later, after time has passed. Invariant:
one seed gives one order of all steps.
"""

import asyncio
import contextvars
import heapq
import random
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar, cast

T = TypeVar("T")
Args = tuple[Any, ...]

_process: contextvars.ContextVar["Process | None"] = contextvars.ContextVar("process", default=None)


class Process:
    """A process of the simulated system; give its tasks to the loop with `start`."""

    def __init__(self, loop: "SimulatedLoop") -> None:
        self._loop = loop
        self.alive = True
        self.frozen = False
        self.parked: list[asyncio.Handle] = []
        """Steps that wait for the process to thaw."""

    def start(self, job: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Run `job` in this process, and all that it starts."""
        context = contextvars.copy_context()
        context.run(_process.set, self)
        return self._loop.create_task(job, context=context)

    def kill(self) -> None:
        """End it at once, wherever its tasks stand."""
        self.alive = False
        self.parked.clear()

    def freeze(self) -> None:
        """Let none of its tasks go on."""
        self.frozen = True

    def thaw(self) -> None:
        """Let its tasks go on, all timers that have run out meanwhile included."""
        self.frozen = False
        self._loop.wake(self.parked)
        self.parked = []


class SimulatedLoop(asyncio.AbstractEventLoop):
    """As much of an event loop as tasks, futures, locks and timeouts need."""

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance
        self._now_s = 0.0
        self._order = 0
        self._ready: list[asyncio.Handle] = []
        self._timers: list[tuple[float, int, asyncio.TimerHandle]] = []
        self._tasks: list[asyncio.Task[Any]] = []
        self._failure: BaseException | None = None
        self._running = False
        self.steps = 0
        """Steps made so far."""

    def run(self, job: Coroutine[Any, Any, T]) -> T:
        """The result of `job`; everything else stops where it stands. Raises what `fail` was given."""
        before = asyncio._get_running_loop()
        asyncio._set_running_loop(self)
        self._running = True
        try:
            done = self.create_task(job)
            while not done.done() and self._failure is None:
                self._step()
            if self._failure is not None:
                raise self._failure
            return cast(T, done.result())
        finally:
            self._running = False
            self._close()
            asyncio._set_running_loop(before)

    def _close(self) -> None:
        """Let go of what never came to its end."""
        for task in self._tasks:
            if not task.done():
                task.get_coro().close()
        self._tasks.clear()

    def _step(self) -> None:
        while not self._ready:
            self._advance()
        at = int(self._chance.random() * len(self._ready))
        handle, self._ready[at] = self._ready[at], self._ready[-1]
        self._ready.pop()
        if handle.cancelled():
            return
        process = handle._context.get(_process)  # type: ignore[attr-defined]
        if process is not None and (not process.alive or process.frozen):
            if process.alive:
                process.parked.append(handle)
            return
        self.steps += 1
        handle._run()

    def _advance(self) -> None:
        """Let time go on to the next timer."""
        if not self._timers:
            raise AssertionError("nobody can ever go on")
        self._now_s, _, handle = heapq.heappop(self._timers)
        self._ready.append(handle)
        while self._timers and self._timers[0][0] <= self._now_s:
            self._ready.append(heapq.heappop(self._timers)[2])

    def wake(self, handles: list[asyncio.Handle]) -> None:
        """Make these steps again."""
        self._ready += handles

    def fail(self, problem: BaseException) -> None:
        """End the run with this."""
        self._failure = self._failure or problem

    def time(self) -> float:
        """Seconds since the start of the world."""
        return self._now_s

    def call_soon(  # type: ignore[override]
        self, callback: Callable[..., object], *args: Any, context: contextvars.Context | None = None
    ) -> asyncio.Handle:
        """Make this step at some time before the clock goes on."""
        handle = asyncio.Handle(callback, args, self, context)
        self._ready.append(handle)
        return handle

    def call_later(  # type: ignore[override]
        self,
        delay: float,
        callback: Callable[..., object],
        *args: Any,
        context: contextvars.Context | None = None,
    ) -> asyncio.TimerHandle:
        """Make this step so much later."""
        return self.call_at(self._now_s + delay, callback, *args, context=context)

    def call_at(  # type: ignore[override]
        self,
        when: float,
        callback: Callable[..., object],
        *args: Any,
        context: contextvars.Context | None = None,
    ) -> asyncio.TimerHandle:
        """Make this step at that time."""
        handle = asyncio.TimerHandle(when, callback, args, self, context)
        self._order += 1
        heapq.heappush(self._timers, (when, self._order, handle))
        return handle

    def create_future(self) -> asyncio.Future[Any]:
        """A future of this loop."""
        return asyncio.Future(loop=self)

    def create_task(
        self,
        coro: Any,
        *,
        name: str | None = None,
        context: contextvars.Context | None = None,
    ) -> asyncio.Task[Any]:
        """Run a coroutine; what it stands on is kept until the end, for the dead do not clean up."""
        task = asyncio.Task(coro, loop=self, name=name, context=context)
        task._log_destroy_pending = False  # type: ignore[attr-defined]  # a killed process leaves its tasks pending
        self._tasks.append(task)
        return task

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        """A callback has failed, or nobody has looked at a failed task."""
        self.fail(context.get("exception") or AssertionError(context["message"]))

    def get_debug(self) -> bool:
        """Never."""
        return False

    def is_running(self) -> bool:
        """Whether `run` goes on."""
        return self._running

    def is_closed(self) -> bool:
        """Never."""
        return False

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        """It is passed over when its time comes."""
