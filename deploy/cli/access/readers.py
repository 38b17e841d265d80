"""`tidegauge reader`: makes, binds, lists and drops logins of Postgres that read the rows of their tenants alone."""

import asyncio
from typing import Annotated

import typer

from deploy.cli.errors import cli_errors
from deploy.cli.options import HERE, Folder, postgres_of

app = typer.Typer(no_args_is_help=True, help="Logins of Postgres for SQL: each reads its tenants alone.")

Tenants = Annotated[list[str], typer.Option("--tenant", help="Whose rows it reads; repeatable.")]
Role = Annotated[str, typer.Argument(help="The login, as `reader list` prints it.")]


@app.command(
    "create",
    epilog="Example: `tidegauge reader create --tenant shop` prints an address for the analysts of the shop.",
)
def create_reader(tenant: Tenants, folder: Folder = HERE) -> None:
    """Make a login and print its address: this is the only time its password can be seen."""
    from deploy.postgres import readers  # noqa: PLC0415  other commands start quicker without

    with cli_errors():
        address = asyncio.run(readers.create(postgres_of(folder), tenant))
    typer.echo(address)


@app.command(
    "bind",
    epilog="Example: `tidegauge reader bind grafana --tenant shop` for a login that an administrator has made.",
)
def bind_reader(role: Role, tenant: Tenants, folder: Folder = HERE) -> None:
    """Let a login that exists read these tenants and no others, from its next statement on."""
    from deploy.postgres import readers  # noqa: PLC0415  as above

    with cli_errors():
        asyncio.run(readers.bind_login(postgres_of(folder), role, tenant))
    typer.echo(f"{role} reads {', '.join(tenant)}")


@app.command("list", epilog="Example: `tidegauge reader list` shows a line for each login.")
def list_readers(folder: Folder = HERE) -> None:
    """Print the logins: since when they are bound, until when their passwords are good, their tenants."""
    from deploy.postgres import readers  # noqa: PLC0415  as above

    with cli_errors():
        found = asyncio.run(readers.read_all(postgres_of(folder)))
    typer.echo("\n".join(readers.table(found)))


@app.command("drop", epilog="Example: `tidegauge reader drop tidegauge_reader_5f0c91aa` ends that login.")
def drop_reader(role: Role, folder: Folder = HERE) -> None:
    """Let a login read nothing more, from its next statement on; one that `create` made is gone."""
    from deploy.postgres import readers  # noqa: PLC0415  as above

    with cli_errors():
        asyncio.run(readers.drop(postgres_of(folder), role))
    typer.echo(f"dropped {role}")
