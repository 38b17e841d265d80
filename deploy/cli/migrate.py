"""`tidegauge migrate` and `tidegauge roles`: brings the tables to what this build needs, and says who may use them."""

import asyncio
import os
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
    """Apply the migrations that Postgres lacks (TIDEGAUGE_POSTGRES, else the system running here).

    The roles that `tidegauge roles` has made are granted what the tables need then.
    """
    from deploy.postgres import roles as rights  # noqa: PLC0415  other commands start quicker without
    from deploy.postgres.migrate import migrate as apply  # noqa: PLC0415

    phase: Literal["pre", "post"] | None = None if pre == post else "pre" if pre else "post"
    with cli_errors():
        postgres = postgres_of(folder)
        applied = asyncio.run(apply(postgres, phase=phase))
        asyncio.run(rights.grant(postgres))
    typer.echo("\n".join(f"applied {name}" for name in applied) or "nothing had to be applied")


@app.command(
    epilog="Example: `tidegauge roles` after the first `tidegauge migrate`, with the passwords in the environment."
)
def roles(folder: Folder = HERE) -> None:
    """Make a role of Postgres for each service and one for readers, with the rights that each needs and no more.

    Their passwords come from INTAKE_PASSWORD, QUERY_PASSWORD, INGEST_PASSWORD, AGGREGATOR_PASSWORD, ALERTS_PASSWORD,
    ARCHIVE_PASSWORD and READER_PASSWORD; a role whose variable is not set keeps the password that it has. It may be
    repeated at any time.
    """
    from deploy.postgres import roles as rights  # noqa: PLC0415  as above

    given = {role: os.environ.get(f"{role.upper()}_PASSWORD", "") for role in rights.GRANTS}
    with cli_errors():
        names = asyncio.run(
            rights.apply(postgres_of(folder), {role: text for role, text in given.items() if text})
        )
    typer.echo("\n".join(names))
