"""The pace of an application that reports: so many items, or until SIGTERM; then it says what it was reported.

Its settings are in the environment: `ITEMS` (0: until SIGTERM), and the address and the key as its client wants them.
"""

import json
import os
import signal
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from threading import Event
from typing import Any

PAUSE_S = 0.1
"""Between two items."""


def items() -> Iterator[int]:
    """The numbers of the items, each when it is time for it."""
    ended, wanted = Event(), int(os.environ.get("ITEMS", "0"))
    signal.signal(signal.SIGTERM, lambda *_: ended.set())
    number = 0
    while not ended.is_set():
        yield number
        number += 1
        if number == wanted:
            return
        ended.wait(PAUSE_S)


def name_of(number: int) -> str:
    """What an item is called; `PREFIX` is in the environment."""
    return f"{os.environ.get('PREFIX', 'k')}{number}"


@dataclass
class ReportedItems:
    """What an application knows of its items, by signal."""

    sent: dict[str, list[str]] = field(default_factory=dict)
    """Given to the client."""
    believed: dict[str, list[str]] = field(default_factory=dict)
    """Of these the client has said that they are delivered."""
    failed: dict[str, list[str]] = field(default_factory=dict)
    """Or that they are not."""

    def write(self) -> None:
        """To standard output."""
        json.dump(asdict(self), sys.stdout)


class Noting:
    """An exporter as it is, and a note of what it says of each batch."""

    def __init__(
        self, exporter: Any, signal_: str, reported: ReportedItems, ids_of: Callable[[Any], list[str]]
    ) -> None:
        self._exporter, self._ids_of = exporter, ids_of
        self._notes = {
            True: reported.believed.setdefault(signal_, []),
            False: reported.failed.setdefault(signal_, []),
        }

    def export(self, batch: Any, *args: Any, **kwargs: Any) -> Any:
        """Export."""
        result = self._exporter.export(batch, *args, **kwargs)
        self._notes[result.name == "SUCCESS"] += self._ids_of(batch)
        return result

    def __getattr__(self, name: str) -> Any:
        return getattr(self._exporter, name)
