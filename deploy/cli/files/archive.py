"""`tidegauge archive`: days that are closed, as files in a folder or an object store."""

import asyncio
import os
from typing import Annotated

import typer

from deploy.cli.errors import cli_errors
from deploy.cli.options import HERE, Folder, postgres_of
from shared.errors import Misconfigured
from shared.runtime import failpoint

app = typer.Typer(no_args_is_help=True)

Table = Annotated[str, typer.Argument(help="rollup_15m, rollup_1m or event.")]


@app.callback()
def archive() -> None:
    """The archive: history that outgrows one Postgres, as Parquet by tenant and day."""


@app.command(
    "run",
    epilog="Example: `TIDEGAUGE_ARCHIVE=/srv/archive tidegauge archive run` once a day writes what has been closed.",
)
def run_archive(
    to: Annotated[
        str, typer.Option("--to", help="A folder or s3://bucket/prefix; TIDEGAUGE_ARCHIVE if not given.")
    ] = "",
    folder: Folder = HERE,
) -> None:
    """Write each day that cannot change any more and is not archived yet; check days before the tables drop them.

    It may be ended at any moment and called again: each day is in the archive once. TIDEGAUGE_POSTGRES names the
    database, else the system running here does; where the services have a TIDEGAUGE_TOPIC_PREFIX, give it here as well.
    """
    with cli_errors():
        address = to or os.environ.get("TIDEGAUGE_ARCHIVE", "")
        if not address:
            raise Misconfigured("TIDEGAUGE_ARCHIVE is not set, nor --to: where does the archive lie?")
        postgres = postgres_of(folder)
        from deploy.files.archive.run import run  # noqa: PLC0415  pyarrow takes a moment, and may be absent

        failpoint.arm(os.environ.get(failpoint.VARIABLE, ""))
        prefix = os.environ.get("TIDEGAUGE_TOPIC_PREFIX", "")
        done = asyncio.run(run(postgres, address, prefix, lambda line: typer.echo(line, err=True)))
    typer.echo(
        f"{len(done)} days, {sum(one.rows for one in done):,} rows, {sum(one.bytes for one in done):,} bytes"
    )


@app.command(
    "status", epilog="Example: `tidegauge archive status` shows each table with what of it is archived."
)
def show_status(folder: Folder = HERE) -> None:
    """Show which tables are archived, how much of each is, and what the tables may drop."""
    with cli_errors():
        from deploy.files.archive import state  # noqa: PLC0415  as above

        rows, warnings = asyncio.run(state.status(postgres_of(folder)))
    typer.echo("\n".join(state.table_of(rows)))
    for line in warnings:
        typer.echo(f"WARNING: {line}")


@app.command(
    "enable", epilog="Example: `tidegauge archive enable rollup_15m` keeps windows until they are archived."
)
def enable_archive(table: Table, folder: Folder = HERE) -> None:
    """Have a table archived: from now on its partitions go only when `archive run` has written and checked them."""
    _set(table, folder, on=True)


@app.command(
    "disable", epilog="Example: `tidegauge archive disable event` lets events go by their age alone."
)
def disable_archive(table: Table, folder: Folder = HERE) -> None:
    """Have a table archived no more; what is in the archive stays."""
    _set(table, folder, on=False)


def _set(table: str, folder: Folder, *, on: bool) -> None:
    with cli_errors():
        from deploy.files.archive import state  # noqa: PLC0415  as above

        asyncio.run(state.enable(postgres_of(folder), table, on=on))
    typer.echo(f"{table} is {'archived from now on' if on else 'archived no more'}")
