"""`tidegauge groups`: what is prepared since when, a file of label sets checked, and the back-fill."""

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from deploy.cli.errors import cli_errors
from deploy.cli.options import HERE, Folder, postgres_of

app = typer.Typer(no_args_is_help=True)
"""Mounted as `groups`."""


@app.callback()
def described() -> None:
    """Prepared groups: by which labels series are put together ahead of questions, and since when.

    The label sets stand in a file that aggregators read when they start (AGGREGATOR_LABEL_SETS, else
    deploy/metrics.yml).
    TIDEGAUGE_POSTGRES names the server, else the system running here does.
    """


@app.command(
    epilog="Example: `tidegauge groups status` says what questions can be answered from, and since when."
)
def status(folder: Folder = HERE) -> None:
    """List the label sets of each tier, with the first window that is whole in all partitions."""
    from deploy.postgres.prepared import report  # noqa: PLC0415  other commands start quicker without

    with cli_errors():
        kept = asyncio.run(report.status(postgres_of(folder)))
    typer.echo("\n".join(report.status_lines(kept)))


@app.command(
    epilog="Example: `tidegauge groups check deploy/metrics.yml` before aggregators are started with it."
)
def check(
    file: Annotated[Path, typer.Argument(help="A file of label sets.")],
) -> None:
    """Say what is wrong with a file of label sets, each problem with its line and field; exit code 1 if anything is."""
    from shared.prepared import label_sets_file  # noqa: PLC0415  other commands start quicker without

    with cli_errors():
        sets = label_sets_file.load(str(file))
    typer.echo(f"{file}: {len(list(sets.pairs()))} label sets in {len(sets.by_pattern)} patterns")


@app.command(
    epilog="Example: `tidegauge groups backfill --since 2026-03-01T00:00Z` after label sets were added."
)
def backfill(
    folder: Folder = HERE,
    since: Annotated[
        str, typer.Option(help="Fill in no window that starts before it; ISO 8601, UTC. All if not given.")
    ] = "",
    *,
    again: Annotated[
        bool,
        typer.Option("--again", help="Make those anew that are there: when the audit says that some differ."),
    ] = False,
) -> None:
    """Prepare groups of windows that closed before their label set was in the file, newest first.

    Aggregators go on meanwhile. A run that was ended is gone on with by the next one.
    """
    from deploy import audit  # noqa: PLC0415  other commands start quicker without
    from deploy.postgres.prepared import report  # noqa: PLC0415  the same

    with cli_errors():
        since_ms = audit.instant_ms("--since", since, 0)
        pieces = asyncio.run(report.filled(postgres_of(folder), since_ms, typer.echo, again=again))
    typer.echo("nothing is left to be filled in" if pieces else "there was nothing to fill in")
