"""`tidegauge topics`: creates the topics and checks those that exist."""

import asyncio
from typing import Annotated

import typer

from deploy.cli.errors import cli_errors
from deploy.cli.options import HERE, Folder, kafka_of

app = typer.Typer()


@app.command(
    epilog="Example: `tidegauge topics --partitions 24 --replication 3` for a cluster of three brokers."
)
def topics(
    folder: Folder = HERE,
    partitions: Annotated[int, typer.Option(help="Partitions of each topic, fixed for ever.", min=1)] = 12,
    replication: Annotated[int, typer.Option(help="Brokers that keep each record.", min=1)] = 1,
) -> None:
    """Create the topics that Kafka lacks and check the rest (TIDEGAUGE_KAFKA, else the system running here)."""
    from deploy.kafka.topics import create  # noqa: PLC0415  other commands start quicker without

    with cli_errors():
        created = asyncio.run(create(kafka_of(folder), partitions=partitions, replication=replication))
    typer.echo("\n".join(f"created {name}" for name in created) or "nothing had to be created")
