"""The settings of a client, with their bounds.

Spans are seconds. Invariant: a setting out of range raises an error that names it when the client is made.
"""

import os
from dataclasses import dataclass, fields
from pathlib import Path

from tidegauge_client import checks

MAX_BATCH_ITEMS = 1000
"""Items that the gateway takes in one request."""


@dataclass(frozen=True)
class Settings:
    """Knobs of a client; their defaults stand in the signature of `Telemetry`."""

    batch_items: int
    """A batch is sent when this many items wait."""
    batch_after_s: float
    """A batch is sent this long after its first item."""
    max_queue: int
    """Items kept of each signal; beyond it the oldest are dropped."""
    max_age_s: float
    """How long a batch is repeated."""
    timeout_s: float
    """How long one step of a request may take."""
    exit_flush_s: float
    """How long a flush may delay the end of the process."""
    retry_first_s: float
    """Bound of the first pause after a failure."""
    retry_longest_s: float
    """Bound of the longest one."""

    def __post_init__(self) -> None:
        """Raise naming the first setting that is out of range."""
        for field in fields(self):
            value = getattr(self, field.name)
            if not isinstance(value, int if field.type in (int, "int") else (int, float)):
                raise TypeError(f"{field.name}: must be a number, not {type(value).__name__}")
            if not 0 <= value <= 1e9:
                raise ValueError(f"{field.name}: must be between 0 and 1e9")
        if not 1 <= self.batch_items <= MAX_BATCH_ITEMS:
            raise ValueError(f"batch_items: must be 1 to {MAX_BATCH_ITEMS}")
        if self.max_queue < self.batch_items:
            raise ValueError("max_queue: must hold a batch at least")
        if not self.timeout_s:
            raise ValueError("timeout_s: must be above 0")


MIN_SPOOL_BYTES = 1 << 20
"""Smallest spool: one that holds a batch at least."""

LONGEST_SPOOL_AGE_S = 5 * 86_400
"""The gateway takes nothing older."""


@dataclass(frozen=True)
class SpoolSettings:
    """Where batches are kept on disk, and how many."""

    folder: Path
    max_bytes: int
    """What all processes of the folder may take of the disk."""
    max_age_s: float
    """How long a batch is kept."""
    fsync: bool
    """Whether a batch is on the disk itself, and not only in the hands of the kernel, before it counts as saved."""


def spool_settings(
    folder: str | os.PathLike[str], max_bytes: int, max_age_s: float, *, fsync: bool
) -> SpoolSettings:
    """The settings of a spool; raise naming the first argument that is wrong."""
    if os.name != "posix":
        raise ValueError("spool: needs the file locks of a POSIX system")
    if not isinstance(folder, str | os.PathLike):
        raise TypeError(f"spool: must be the path of a folder, not {type(folder).__name__}")
    checks.text(os.fspath(folder), "spool")
    for name, value, least, most in (
        ("spool_bytes", max_bytes, MIN_SPOOL_BYTES, 1 << 50),
        ("spool_age_s", max_age_s, 0, LONGEST_SPOOL_AGE_S),
    ):
        if not least <= checks.finite(value, name) <= most:
            raise ValueError(f"{name}: must be between {least} and {most}")
    return SpoolSettings(Path(folder).absolute(), int(max_bytes), float(max_age_s), bool(fsync))
