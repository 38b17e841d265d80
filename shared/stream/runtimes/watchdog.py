"""A thread that ends the process when its event loop, or its membership in the consumer group, hangs.

Spans are seconds. Heartbeats to Kafka may continue while the loop hangs, so Kafka would not notice.

Invariant: a process that hangs beyond a limit ends with a message; the time in which the whole process was frozen does
not count.
"""

import asyncio
import threading
import time
from collections.abc import Callable

from shared.runtime.clock import monotonic_s
from shared.runtime.lifecycle import background, die

STALL_S = 10.0
"""How long the event loop may stand still."""

CHECK_EVERY_S = 1.0
"""Time between two checks; a check that comes much later means that the process itself was frozen."""

Symptom = Callable[[], str | None]
"""Returns what is wrong now, or None; called from the watchdog's thread. Other words are another fault."""


class Watchdog:
    """Ends the process when `beat` is not called for `STALL_S` or a symptom lasts longer than its limit."""

    def __init__(self, symptoms: dict[Symptom, float], end: Callable[[str], object] = die) -> None:
        self._symptoms = symptoms
        self._since: dict[Symptom, tuple[str, float]] = {}
        self.beat_s = monotonic_s()
        """When the event loop was last seen alive."""
        self._end = end

    def beat(self) -> None:
        """The event loop is alive."""
        self.beat_s = monotonic_s()

    def start(self) -> None:
        """Check from a thread of its own until the process ends; the running event loop calls `beat`."""
        self.beat()
        background(self._beats(), "watchdog beats")
        threading.Thread(target=self._run, name="watchdog", daemon=True).start()

    async def _beats(self) -> None:
        while True:
            self.beat()
            await asyncio.sleep(CHECK_EVERY_S / 2)

    def _run(self) -> None:
        before = monotonic_s()
        while True:
            time.sleep(CHECK_EVERY_S)
            now = monotonic_s()
            self.check(now, now - before)
            before = now

    def check(self, now_s: float, since_last_s: float) -> None:
        """Judge the state at `now_s`, `since_last_s` after the previous check."""
        if since_last_s > 3 * CHECK_EVERY_S:
            self.beat_s += since_last_s
            self._since.clear()
            return
        if now_s - self.beat_s > STALL_S:
            self._end(f"the event loop has stood still for {STALL_S:g} s")
        for symptom, limit_s in self._symptoms.items():
            self._judge(symptom, limit_s, now_s)

    def _judge(self, symptom: Symptom, limit_s: float, now_s: float) -> None:
        problem = symptom()
        if problem is None:
            self._since.pop(symptom, None)
            return
        said, since_s = self._since.get(symptom, ("", now_s))
        if said != problem:
            since_s = now_s
        self._since[symptom] = problem, since_s
        if now_s - since_s >= limit_s:
            self._end(problem)
