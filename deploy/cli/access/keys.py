"""`tidegauge key`: makes, lists, rotates and revokes API keys."""

import asyncio
from typing import Annotated

import typer

from deploy import api_keys
from deploy.api_keys import Scope
from deploy.cli.errors import cli_errors
from deploy.cli.options import HERE, Folder, postgres_of

app = typer.Typer(no_args_is_help=True)

Begins = Annotated[str, typer.Argument(help="How the key begins, as `key list` prints it, or the whole key.")]


@app.callback()
def key() -> None:
    """API keys: who may write and read."""


@app.command(
    "create",
    epilog="Example: `tidegauge key create --tenant shop --scope beacon --origin https://shop.example` prints a key "
    "for the pages of a shop.",
)
def create_key(
    tenant: Annotated[str, typer.Option(help="Whose data; made when it is new.")],
    scope: Annotated[
        Scope, typer.Option(help="What the key allows; beacon: writing from pages of its origins.")
    ],
    origin: Annotated[
        list[str] | None,
        typer.Option(help="Pages of this origin may use it; repeatable. None: no page need to."),
    ] = None,
    name: Annotated[str, typer.Option(help="What you call it, so that you know it again.")] = "",
    folder: Folder = HERE,
) -> None:
    """Make a key and print it: this is the only time it can be seen, the database keeps a hash."""
    with cli_errors():
        postgres = postgres_of(folder)
        made = api_keys.new_key(scope)
        asyncio.run(api_keys.create(postgres, tenant, made, scope, origin or (), key_name=name))
    typer.echo(made)


@app.command(
    "list", epilog="Example: `tidegauge key list --tenant shop` shows a line for each key of the shop."
)
def list_keys(
    tenant: Annotated[str, typer.Option(help="Whose keys; empty: of all.")] = "", folder: Folder = HERE
) -> None:
    """Print keys: how they begin, their name and scope, whether they are good, when they were used, their origins."""
    with cli_errors():
        found = asyncio.run(api_keys.read_all(postgres_of(folder), tenant))
    typer.echo("\n".join(api_keys.table(found)))


@app.command("rotate", epilog="Example: `tidegauge key rotate tg_w_4fGh` prints the key that comes after it.")
def rotate_key(begins: Begins, folder: Folder = HERE) -> None:
    """Make the successor of a key and print it. Both are good until the old one is revoked."""
    with cli_errors():
        made = asyncio.run(api_keys.rotate(postgres_of(folder), begins))
    typer.echo(made)


@app.command(
    "revoke", epilog="Example: `tidegauge key revoke tg_w_4fGh` ends that key within a minute everywhere."
)
def revoke_key(begins: Begins, folder: Folder = HERE) -> None:
    """End a key: gateways that are told of it refuse it at once, all others within a minute."""
    with cli_errors():
        asyncio.run(api_keys.revoke(postgres_of(folder), begins))
    typer.echo(f"revoked {begins[: api_keys.PREFIX_LENGTH]}…")
