"""`tidegauge audit`: whether everything received is accounted for."""

import asyncio
import os
from typing import Annotated

import typer

from deploy.cli.errors import cli_errors
from deploy.cli.options import HERE, Folder, kafka_of, postgres_of
from shared.runtime.clock import now_ms

app = typer.Typer()


@app.command(epilog="Example: `tidegauge audit --from 2026-03-01T12:00Z --tenant shop` from noon until now.")
def audit(
    folder: Folder = HERE,
    from_: Annotated[
        str, typer.Option("--from", help="ISO 8601, UTC; an hour before --to if not given.")
    ] = "",
    to: Annotated[str, typer.Option("--to", help="ISO 8601, UTC; now if not given.")] = "",
    tenant: Annotated[str | None, typer.Option(help="Audit this tenant alone, by its name.")] = None,
) -> None:
    """Show that everything received is accounted for; exit code 1 when it is not.

    The command compares, minute by minute, what came in with what became of it, and each tier of rollups with the
    finer one. TIDEGAUGE_POSTGRES and TIDEGAUGE_KAFKA name the servers, else the system running here does; where the
    services have a TIDEGAUGE_TOPIC_PREFIX, give it here as well.
    """
    from deploy import audit as auditing  # noqa: PLC0415  other commands start quicker without

    with cli_errors():
        postgres, kafka = postgres_of(folder), kafka_of(folder)
        prefix = os.environ.get("TIDEGAUGE_TOPIC_PREFIX", "")
        question = auditing.question((from_, to), tenant, prefix, now_ms())
        report = asyncio.run(auditing.run(postgres, kafka, question))
    typer.echo("\n".join(auditing.render(report)))
    if not report.sound:
        raise typer.Exit(1)
