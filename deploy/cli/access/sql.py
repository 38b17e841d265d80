"""`tidegauge sql`: psql, signed in as a reader of one tenant."""

import os
from typing import Annotated

import typer

from deploy.cli.errors import cli_errors
from deploy.cli.options import HERE, Folder, postgres_of

app = typer.Typer()


@app.command(epilog="Example: `tidegauge sql --tenant shop -c 'TABLE readable_tenant'` answers and ends.")
def sql(
    more: Annotated[list[str] | None, typer.Argument(help="What psql is given besides, behind `--`.")] = None,
    tenant: Annotated[str, typer.Option(help="Whose rows are read.")] = "demo",
    command: Annotated[
        list[str] | None, typer.Option("--command", "-c", help="Run this statement and end; repeatable.")
    ] = None,
    folder: Folder = HERE,
) -> None:
    """Open psql, which sees the rows of one tenant alone; docs/QUERIES.md says what to ask.

    TIDEGAUGE_READER_POSTGRES is an address that `tidegauge reader create` has printed. Where it is not set, a login is
    made for this session at TIDEGAUGE_POSTGRES, else in the system running here, and dropped behind it.
    """
    from deploy.postgres import psql  # noqa: PLC0415  other commands start quicker without

    words = [word for each in command or () for word in ("-c", each)]
    with cli_errors():
        reader = os.environ.get("TIDEGAUGE_READER_POSTGRES", "")
        opened = psql.opened_as(reader, tenant) if reader else psql.opened(postgres_of(folder), tenant)
        with opened as run:
            code = run([*words, *(more or ())])
    raise typer.Exit(code)
