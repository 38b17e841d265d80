"""`tidegauge dead-letters`: parses words and calls the code.

The law: nothing is decided here.
"""

import asyncio
import os
from pathlib import Path
from typing import Annotated

import typer

from deploy import dead_letters
from deploy.explained import HERE, Folder, explained
from deploy.local import running
from deploy.postgres.dead_letters import Choice

app = typer.Typer(no_args_is_help=True)
"""Mounted as `dead-letters`."""

Topic = Annotated[str | None, typer.Option(help="Only those of this topic, such as telemetry.metrics.v1.")]
Code = Annotated[str | None, typer.Option(help="Only those with this code, such as unsupported_version.")]
Since = Annotated[str, typer.Option(help="Only those received since then: ISO 8601, UTC.")]


@app.callback()
def described() -> None:
    """Messages that no service could use: kept with their reason, origin and bytes, and replayed when they can be.

    A dead letter is named by where it came from, `topic/partition/offset`. When more than 1 % of the last 1,000
    messages of a partition are bad, or 100 in a row, it is stopped until `resume`: `list` shows such partitions too.
    TIDEGAUGE_POSTGRES and TIDEGAUGE_KAFKA say where to look, else the system running here does.
    """


@app.command("list")
def list_letters(
    folder: Folder = HERE,
    topic: Topic = None,
    code: Code = None,
    since: Since = "",
    limit: Annotated[int, typer.Option(help="How many lines, newest first.", min=1, max=10_000)] = 20,
) -> None:
    """List dead letters, newest first; how many there are by topic and code; and which partitions are stopped."""
    with explained():
        chosen = dead_letters.choice(topic, code, since)
        found = asyncio.run(dead_letters.listing(_postgres(folder), chosen, limit))
    typer.echo("\n".join(dead_letters.rendered(found)))


@app.command()
def show(
    name: Annotated[str, typer.Argument(metavar="ID", help="topic/partition/offset, as `list` prints it.")],
    folder: Folder = HERE,
    *,
    raw: Annotated[bool, typer.Option("--raw", help="Write the original bytes, and nothing else.")] = False,
) -> None:
    """Show one dead letter: reason, origin, times and the beginning of its bytes, in hex and as text."""
    with explained():
        dead_letter, value = asyncio.run(dead_letters.one(_postgres(folder), name))
    if raw:
        typer.echo(value, nl=False)
    else:
        typer.echo("\n".join(dead_letters.described(dead_letter, value)))


@app.command()
def replay(
    ids: Annotated[
        list[str] | None, typer.Argument(metavar="[ID]...", help="Which; none: those of the options.")
    ] = None,
    folder: Folder = HERE,
    topic: Topic = None,
    code: Code = None,
    since: Since = "",
    *,
    every: Annotated[bool, typer.Option("--all", help="All that were never replayed.")] = False,
) -> None:
    """Publish dead letters again, to where they came from: after an upgrade that can read them, say.

    Each counts once, however often it is replayed and wherever a replay is interrupted: run it again. By options only
    those are taken that were never replayed; those named by id are taken in any case. What still cannot be used
    becomes a dead letter again, with the place of its replay as its origin. Letters older than four days are refused by
    the services.
    """
    if bool(ids) == bool(topic or code or since or every):
        raise typer.BadParameter("give ids, or else --topic, --code, --since or --all")
    with explained():
        chosen = dead_letters.choice(topic, code, since)
        chosen = Choice(chosen.topic, chosen.code, chosen.since, ids or None, waiting=not ids)
        kafka = running.address("TIDEGAUGE_KAFKA", folder, os.environ)
        done = asyncio.run(dead_letters.replay(_postgres(folder), kafka, chosen))
    typer.echo(f"replayed {done}" if done else "nothing had to be replayed")


@app.command()
def resume(
    topic: Annotated[str, typer.Argument(help="As `list` prints it.")],
    partition: Annotated[int, typer.Argument(help="As `list` prints it.", min=0)],
    folder: Folder = HERE,
    through: Annotated[
        int,
        typer.Option(
            help="Let bad messages below this offset through; else all count anew from here.", min=0
        ),
    ] = 0,
) -> None:
    """Let a stopped partition go on, within seconds: bad messages are dead letters again and are counted anew.

    Mend what sends them first, or upgrade the service; else it stops again. The worker need not be restarted.
    """
    with explained():
        passed = asyncio.run(dead_letters.resume(_postgres(folder), topic, partition, through))
    typer.echo(f"{topic} {partition} goes on; bad messages count from offset {passed}")


def _postgres(folder: Path) -> str:
    return running.address("TIDEGAUGE_POSTGRES", folder, os.environ)
