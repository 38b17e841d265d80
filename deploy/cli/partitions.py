"""`tidegauge partitions`: lists and shows partitions; resumes, skips and resets those that are stopped."""

import asyncio
from typing import Annotated

import typer

from deploy import partitions
from deploy.cli.errors import cli_errors
from deploy.cli.options import HERE, Folder, kafka_of, postgres_of

app = typer.Typer(no_args_is_help=True)
"""Mounted as `partitions`."""

Topic = Annotated[str, typer.Argument(help="As `list` prints it, such as telemetry.metrics.v1.")]
Partition = Annotated[int, typer.Argument(help="As `list` prints it.", min=0)]


@app.callback()
def described() -> None:
    """Where each partition stands, and what to do about those that are stopped.

    A partition is stopped when 1,000 messages in a row were bad, when only another build can read on, or when a
    record has ended three workers. The others go on. TIDEGAUGE_POSTGRES and TIDEGAUGE_KAFKA name the
    servers, else the system running here does.
    """


@app.command("list", epilog="Example: `tidegauge partitions list --stopped` says what needs an operator.")
def list_partitions(
    folder: Folder = HERE,
    topic: Annotated[str | None, typer.Option(help="Only those of this topic.")] = None,
    *,
    stopped: Annotated[bool, typer.Option("--stopped", help="Only those that are stopped.")] = False,
) -> None:
    """List partitions, those that are stopped first, each of these with its reason and what to do."""
    with cli_errors():
        found = asyncio.run(partitions.listing(postgres_of(folder), topic, stopped=stopped))
    typer.echo("\n".join(partitions.rendered(found)))


@app.command(
    epilog="Example: `tidegauge partitions show telemetry.metrics.v1 3` shows what ended its workers."
)
def show(topic: Topic, partition: Partition, folder: Folder = HERE) -> None:
    """Show one partition: owner, offset, watermark, why it is stopped, and what has ended its workers."""
    with cli_errors():
        found = asyncio.run(partitions.one(postgres_of(folder), topic, partition))
    typer.echo("\n".join(partitions.described(found)))


@app.command(epilog="Example: `tidegauge partitions resume telemetry.metrics.v1 3` once its cause is gone.")
def resume(
    topic: Topic,
    partition: Partition,
    folder: Folder = HERE,
    through: Annotated[
        int,
        typer.Option(
            help="Let bad messages below this offset through; else all count anew from here.", min=0
        ),
    ] = 0,
) -> None:
    """Let a stopped partition go on, within seconds and without a restart; nothing of it is skipped.

    Mend what sends bad messages first, or upgrade the service; else it stops again. What has ended workers is
    tried again, by three workers at most.
    """
    with cli_errors():
        passed = asyncio.run(partitions.resume(postgres_of(folder), topic, partition, through))
    typer.echo(f"{topic} {partition} goes on; bad messages count from offset {passed}")


@app.command(epilog="Example: `tidegauge partitions skip telemetry.metrics.v1 3 1042` buries that record.")
def skip(
    topic: Topic,
    partition: Partition,
    offset: Annotated[
        int | None, typer.Argument(help="Where the partition is stopped; for your own check.", min=0)
    ] = None,
    folder: Folder = HERE,
) -> None:
    """Make the record that a partition is stopped before a dead letter; it goes on within seconds.

    The record keeps its bytes, and `tidegauge dead-letters replay` publishes it again, for example after an
    upgrade.
    """
    with cli_errors():
        skipped = asyncio.run(partitions.skip(postgres_of(folder), topic, partition, offset))
    typer.echo(f"{topic} {partition} goes on; the record at {skipped} becomes a dead letter")


@app.command(
    epilog="Example: `tidegauge partitions reset telemetry.metrics.v1 3 --to earliest` after its topic was made anew."
)
def reset(
    topic: Topic,
    partition: Partition,
    to: Annotated[str, typer.Option(help="An offset, `earliest` or `latest`.")],
    folder: Folder = HERE,
    *,
    without_state: Annotated[
        bool,
        typer.Option(
            "--without-state",
            help="Give up what is open: windows, running totals, batch ids, producers. Only when it cannot be read.",
        ),
    ] = False,
) -> None:
    """Put a partition to an offset of the log as it is now, in one transaction; it goes on within seconds.

    What was folded stays: open windows, running totals, batch ids and the producers that were heard go along, so
    that nothing is counted twice when the log holds it again. What lies between the old offset and a later new
    one is not read.
    """
    with cli_errors():
        servers = postgres_of(folder), kafka_of(folder)
        offset = asyncio.run(partitions.reset(servers, topic, partition, to, without_state=without_state))
    typer.echo(f"{topic} {partition} goes on from offset {offset}")
