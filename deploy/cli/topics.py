"""`tidegauge topics`: creates the topics, checks those that exist, and accepts one that is another one now."""

import asyncio
from typing import Annotated

import typer

from deploy.cli.errors import cli_errors
from deploy.cli.options import HERE, Folder, kafka_of, postgres_of
from shared.wire.topics import METRICS

app = typer.Typer(invoke_without_command=True)
"""Mounted as `topics`."""


@app.callback(
    epilog="Example: `tidegauge topics --partitions 24 --replication 3` for a cluster of three brokers."
)
def topics(
    context: typer.Context,
    folder: Folder = HERE,
    partitions: Annotated[int, typer.Option(help="Partitions of each topic, fixed for ever.", min=1)] = 12,
    replication: Annotated[int, typer.Option(help="Brokers that keep each record.", min=1)] = 1,
    disorder_bound_ms: Annotated[
        int | None,
        typer.Option(
            help="How far points may be out of order without being late, 2000 unless given; fixed once they are read.",
            min=0,
            max=600_000,
        ),
    ] = None,
) -> None:
    """Create the topics that Kafka lacks and check the rest (TIDEGAUGE_KAFKA, else the system running here)."""
    if context.invoked_subcommand is not None:
        return
    from deploy.kafka.topics import create  # noqa: PLC0415  other commands start quicker without
    from deploy.postgres.topic_settings import set_disorder_bound  # noqa: PLC0415

    with cli_errors():
        if disorder_bound_ms is not None:
            asyncio.run(set_disorder_bound(postgres_of(folder), METRICS.name, disorder_bound_ms))
        created = asyncio.run(create(kafka_of(folder), partitions=partitions, replication=replication))
    typer.echo("\n".join(f"created {name}" for name in created) or "nothing had to be created")


@app.command(epilog="Example: `tidegauge topics accept telemetry.metrics.v1` after a broker was restored.")
def accept(
    topic: Annotated[str, typer.Argument(help="The topic as Kafka names it, its prefix included.")],
    folder: Folder = HERE,
) -> None:
    """Go on with a topic that was made again, truncated, restored, moved or widened, and was therefore stopped.

    What was counted stays. Each partition goes on at the first record that was appended after the last one that it
    counted; what the log repeats is not counted again. Added partitions stay empty: records are routed as before.
    Services go on within some seconds, without a restart.
    """
    from deploy.kafka import accepted_logs  # noqa: PLC0415  other commands start quicker without

    with cli_errors():
        done = asyncio.run(accepted_logs.accept(postgres_of(folder), kafka_of(folder), topic))
    typer.echo("\n".join(accepted_logs.rendered(topic, done)))
