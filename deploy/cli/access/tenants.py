"""`tidegauge tenant`: lists tenants and changes their limits."""

import asyncio
from typing import Annotated, Final

import typer

from deploy import tenants
from deploy.cli.errors import cli_errors
from deploy.cli.options import HERE, Folder, postgres_of
from deploy.tenants import Change

app = typer.Typer(no_args_is_help=True, help="Tenants: who they are and how much they may send.")

MOST: Final = {"min": 1, "max": 1_000_000_000}


@app.command("list", epilog="Example: `tidegauge tenant list` shows a line for each tenant.")
def list_tenants(folder: Folder = HERE) -> None:
    """Print all tenants: points a second, points at once, active series, and what is readable of their keys."""
    with cli_errors():
        found = asyncio.run(tenants.read_all(postgres_of(folder)))
    typer.echo("\n".join(tenants.table(found)))


@app.command("limit", epilog="Example: `tidegauge tenant limit shop --points-per-s 5000 --max-series 20000`.")
def limit_tenant(
    name: Annotated[str, typer.Argument(help="The tenant, as `tenant list` prints it.")],
    folder: Folder = HERE,
    points_per_s: Annotated[
        int | None, typer.Option(help="Points a second in the long run; beyond: 429.", **MOST)
    ] = None,
    points_burst: Annotated[int | None, typer.Option(help="Points at once after a pause.", **MOST)] = None,
    max_series: Annotated[
        int | None, typer.Option(help="Active series; beyond, points count in overflow series.", **MOST)
    ] = None,
) -> None:
    """Change how much a tenant may send; gateways apply it within a minute. What is not given stays."""
    change = Change(points_per_s, points_burst, max_series)
    if not any(change):
        raise typer.BadParameter("give at least one of --points-per-s, --points-burst, --max-series")
    with cli_errors():
        asyncio.run(tenants.limit(postgres_of(folder), name, change))
    typer.echo(f"changed {name}")


@app.command("scrub", epilog="Example: `tidegauge tenant scrub shop default user`.")
def scrub_tenant(
    name: Annotated[str, typer.Argument(help="The tenant, as `tenant list` prints it.")],
    switches: Annotated[
        list[str] | None,
        typer.Argument(
            help=f"Any of {', '.join(tenants.SWITCHES)}; default: all but user; none: nothing is taken out."
        ),
    ] = None,
    folder: Folder = HERE,
) -> None:
    """Say what is taken out of a tenant's events before they are in the log; it replaces what was said before."""
    with cli_errors():
        asyncio.run(tenants.scrub(postgres_of(folder), name, switches or ()))
    typer.echo(f"changed {name}")
