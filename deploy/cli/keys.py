"""`tidegauge key`: makes API keys."""

import asyncio
from typing import Annotated

import typer

from deploy.cli.errors import cli_errors
from deploy.cli.options import HERE, Folder, postgres_of
from deploy.tenants import Scope, new_key, store

app = typer.Typer(no_args_is_help=True)


@app.callback()
def key() -> None:
    """API keys: who may write and read."""


@app.command(
    "create",
    epilog="Example: `tidegauge key create --tenant shop --scope write` prints a key for its clients.",
)
def create_key(
    tenant: Annotated[str, typer.Option(help="Whose data; made when it is new.")],
    scope: Annotated[Scope, typer.Option(help="What the key allows.")],
    folder: Folder = HERE,
) -> None:
    """Make a key and print it: this is the only time it can be seen, the database keeps a hash."""
    with cli_errors():
        postgres = postgres_of(folder)
        made = new_key(scope)
        asyncio.run(store(postgres, tenant, {made: scope}))
    typer.echo(made)
