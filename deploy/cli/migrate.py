"""`tidegauge migrate`: brings the tables to what this build needs, in one phase or in both."""

import asyncio
from typing import Annotated, Literal

import typer

from deploy.cli.errors import cli_errors
from deploy.cli.options import HERE, Folder, postgres_of

app = typer.Typer()


@app.command(epilog="Example: `tidegauge migrate --pre` before the first process of the new build starts.")
def migrate(
    folder: Folder = HERE,
    *,
    pre: Annotated[
        bool, typer.Option("--pre", help="Only those that are compatible with the build that is running.")
    ] = False,
    post: Annotated[
        bool, typer.Option("--post", help="Only those that need every process of the build before gone.")
    ] = False,
) -> None:
    """Apply the migrations that Postgres lacks (TIDEGAUGE_POSTGRES, else the system running here)."""
    from deploy.postgres.migrate import migrate as apply  # noqa: PLC0415  other commands start quicker without

    phase: Literal["pre", "post"] | None = None if pre == post else "pre" if pre else "post"
    with cli_errors():
        applied = asyncio.run(apply(postgres_of(folder), phase=phase))
    typer.echo("\n".join(f"applied {name}" for name in applied) or "nothing had to be applied")
