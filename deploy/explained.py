"""What all commands share: the folder of the system, and how a problem is told.

The law: an operator reads one sentence that says what to do, and never a trace.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from deploy.local.folder import Occupied
from deploy.local.process import Died
from deploy.local.server import NotOurs
from shared.errors import TidegaugeError

Folder = Annotated[
    Path, typer.Option("--folder", "-C", help="Folder of the system; its data lie in `.tidegauge/` there.")
]
HERE = Path()


@contextmanager
def explained() -> Iterator[None]:
    """Turn our errors into a sentence and exit code 1."""
    try:
        yield
    except (TidegaugeError, Occupied, Died, NotOurs) as problem:
        typer.echo(f"tidegauge: {problem}", err=True)
        raise typer.Exit(1) from None
