"""`tidegauge status`: how the services are, and what is stopped."""

import asyncio
import os

import typer

from deploy.cli.errors import cli_errors
from deploy.cli.options import HERE, Folder, kafka_of, postgres_of

app = typer.Typer()


@app.command(epilog="Example: `tidegauge status` ends with 1 when a partition or a producer is stopped.")
def status(folder: Folder = HERE) -> None:
    """Show each service with its lag, and what is stopped with what to do; exit code 1 when something is stopped.

    TIDEGAUGE_POSTGRES and TIDEGAUGE_KAFKA name the servers, else the system running here does; where the services
    have a TIDEGAUGE_TOPIC_PREFIX, give it here as well.
    """
    from deploy import status as looking  # noqa: PLC0415  other commands start quicker without

    with cli_errors():
        prefix = os.environ.get("TIDEGAUGE_TOPIC_PREFIX", "")
        found = asyncio.run(looking.run(postgres_of(folder), kafka_of(folder), prefix))
    typer.echo("\n".join(looking.rendered(found)))
    if not found.sound:
        raise typer.Exit(1)
