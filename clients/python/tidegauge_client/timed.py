"""Times blocks, functions, coroutines and generators of either kind.

Seconds. Invariant: what is decorated is timed until it ends, not until it is made, as if its body stood in a `with`
block; what raises is timed as well. A generator runs from its first step on, the time of its reader included.
"""

import inspect
import time
from collections.abc import Callable
from functools import wraps
from types import TracebackType
from typing import Any, Self, TypeVar, cast

F = TypeVar("F", bound=Callable[..., Any])


class Timed:
    """Reports how long a `with` block took, or each call of a function that it decorates.

    A block is for one thread; blocks of one object may stand within each other. Calls may run side by side.
    """

    def __init__(self, report: Callable[[float], None]) -> None:
        self._report = report
        self._began_s: list[float] = []

    def __enter__(self) -> Self:
        self._began_s.append(time.perf_counter())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._report(time.perf_counter() - self._began_s.pop())

    def __call__(self, function: F) -> F:
        """The function, its calls timed."""
        made: Any = wraps(function)(self._wrapper(function))
        return cast("F", made)

    def _wrapper(self, function: Any) -> Any:
        # An object may be called as a function, and its method be a coroutine function.
        forms = (function, getattr(function, "__call__", None))  # noqa: B004  asked for what it is
        for is_form, wrapper in (
            (inspect.iscoroutinefunction, self._coroutine),
            (inspect.isasyncgenfunction, self._async_generator),
            (inspect.isgeneratorfunction, self._generator),
        ):
            if any(map(is_form, forms)):
                return wrapper(function)
        return self._function(function)

    def _function(self, function: Any) -> Any:
        def timed(*args: Any, **named: Any) -> Any:
            with Timed(self._report):
                return function(*args, **named)

        return timed

    def _coroutine(self, function: Any) -> Any:
        async def timed(*args: Any, **named: Any) -> Any:
            with Timed(self._report):
                return await function(*args, **named)

        return timed

    def _generator(self, function: Any) -> Any:
        def timed(*args: Any, **named: Any) -> Any:
            with Timed(self._report):
                return (yield from function(*args, **named))

        return timed

    def _async_generator(self, function: Any) -> Any:
        async def timed(*args: Any, **named: Any) -> Any:
            inner = function(*args, **named)
            with Timed(self._report):
                step = anext(inner)
                while True:
                    try:
                        value = await step
                    except StopAsyncIteration:
                        return
                    try:
                        step = inner.asend((yield value))
                    except GeneratorExit:
                        await inner.aclose()
                        raise
                    except BaseException as problem:  # noqa: BLE001  `athrow` hands it on
                        step = inner.athrow(problem)

        return timed
