"""Failpoints: named places at which a test ends or freezes this process.

`TIDEGAUGE_FAILPOINT=committed:2:exit` ends the process, without clean-up, at its second passage of `committed`; with
`freeze` the process stops there until it gets SIGCONT. An unarmed failpoint costs one attribute lookup.

Invariant: the tables come out right at whichever failpoint the process ends.
"""

import os
import re
import signal
from dataclasses import dataclass

import structlog

from shared.errors import Misconfigured

VARIABLE = "TIDEGAUGE_FAILPOINT"
"""Environment variable that arms one point: `name:passage:exit` or `name:passage:freeze`."""

EXIT_CRASHED = 86
"""Exit code of a process that was ended at a point."""

POINTS = {
    "fetched": "records have come from Kafka; none of them is folded",
    "decoded": "a record is decoded, and not folded",
    "folded": "a record is in memory, and not in the tables",
    "cut": "checkpoints are taken from the folds, and nothing has begun",
    "begun": "the transaction of a commit is open",
    "moved": "the fence is passed: the checkpoints are moved, and not committed",
    "dead_letters_recorded": "dead letters are written, and not committed",
    "series_saved": "new series are written, and not committed",
    "closed_saved": "windows that closed are written, and not committed",
    "late_saved": "late points are merged, and not committed",
    "groups_saved": "prepared groups are written, and not committed",
    "saved": "all work is written, and nothing of it published",
    "published": "Kafka has everything; COMMIT is not sent",
    "committed": "it is in the tables, and this process does not know yet",
    "settled": "this process knows, and Kafka's mirror does not",
    "mirrored": "Kafka's mirror knows too",
    "assigned": "partitions are assigned, and not acquired",
    "raised": "their epochs are raised, and nothing is restored",
    "restored": "their folds are restored, and the epochs not committed",
    "acquired": "they are owned, and not sought",
    "sought": "the consumer stands at the checkpoints, and nothing may be folded yet",
    "installed": "records may be folded",
    "revoked": "an assignment has ended, and nothing is forgotten",
    "forgotten": "everything of it is forgotten",
    "stopping": "the process is told to stop; its last commit has not begun",
    "drained": "its last commit is made; it is still in the group",
}
"""Every point, by its name, with what is true there."""

ARCHIVE_POINTS = {
    "archive_begun": "the transaction of a day is open, and nothing is read",
    "archive_written": "all of a day is in files without a name",
    "archive_placed": "a file of a day has its name, and the catalogue does not know it",
    "archive_verified": "all files of a day were read back",
    "archive_noted": "they are in the catalogue, and not committed",
    "archive_committed": "they are, and this process does not know yet",
    "archive_swept": "a file that no catalogue knows is removed",
}
"""The same of `tidegauge archive run`."""


@dataclass(slots=True)
class _Armed:
    name: str = ""
    passages: int = 0
    """Still to come, the fatal one included."""
    how: str = ""


_armed = _Armed()


def arm(wanted: str) -> None:
    """Make one point fatal, as `VARIABLE` says; raise `Misconfigured` for a point that there is not."""
    if not wanted:
        return
    said = re.fullmatch(r"(\w+):([1-9]\d*):(exit|freeze)", wanted)
    if said is None:
        raise Misconfigured(f"{VARIABLE}: {wanted!r} is not name:passage:exit or name:passage:freeze")
    if said[1] not in POINTS | ARCHIVE_POINTS:
        known = ", ".join((*POINTS, *ARCHIVE_POINTS))
        raise Misconfigured(f"{VARIABLE}: there is no point {said[1]!r}; there are {known}")
    _armed.name, _armed.passages, _armed.how = said[1], int(said[2]), said[3]


def hit(name: str) -> None:
    """Go on, unless it is here that this process is to end or to freeze."""
    if _armed.name == name:
        _pass()


def _pass() -> None:
    _armed.passages -= 1
    if _armed.passages:
        return
    structlog.get_logger(__name__).critical("failpoint", point=_armed.name, how=_armed.how)
    _armed.name = ""
    if _armed.how == "exit":
        os._exit(EXIT_CRASHED)
    os.kill(os.getpid(), signal.SIGSTOP)
