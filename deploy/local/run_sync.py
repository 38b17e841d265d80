"""Runs a coroutine to its end from plain code, also when the caller's thread has a loop of its own."""

import asyncio
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

T = TypeVar("T")


def run_sync(job: Coroutine[Any, Any, T]) -> T:
    """The result of a coroutine, run on a loop of its own."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(job)
    with ThreadPoolExecutor(max_workers=1) as thread:
        return thread.submit(asyncio.run, job).result()
