"""One line a step, with the seconds since the start; in colour on a terminal, plain elsewhere.

Text that may be copied is printed as it is, never wrapped or coloured.
"""

import psutil  # type: ignore[import-untyped]  # ships no types
from rich.console import Console
from rich.text import Text

from shared.runtime.clock import monotonic_s, now_ms

STATES = {"FIRING": "bold red", "RESOLVED": "bold green"}
"""How the state of an alert stands out."""


class Progress:
    """Says what happens, and when since this process was started."""

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console(highlight=False, soft_wrap=True)
        self.started_ms = int(psutil.Process().create_time() * 1000)
        self._from_s = monotonic_s() - (now_ms() - self.started_ms) / 1000

    @property
    def elapsed_s(self) -> float:
        """Seconds since this process was started, its imports included."""
        return monotonic_s() - self._from_s

    def say(self, step: str) -> None:
        """Print one step."""
        self._console.print(Text.assemble((f"{self.elapsed_s:6.1f} s  ", "dim"), step))

    def page(self, line: str) -> None:
        """Print a line of the sink: time, state, the rest."""
        clock, _, rest = line.partition(" ")
        state, gap, said = rest.partition(" ")
        self._console.print(Text.assemble((clock, "dim"), " ", (state, STATES.get(state, "")), gap, said))

    def show(self, text: str) -> None:
        """Print text that may be copied."""
        print(text, flush=True)  # noqa: T201  printing is what this line is for
