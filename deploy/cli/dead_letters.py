"""`tidegauge dead-letters`: lists, shows and replays dead letters."""

import asyncio
from typing import Annotated

import typer

from deploy import dead_letters
from deploy.cli.errors import cli_errors
from deploy.cli.options import HERE, Folder, kafka_of, postgres_of
from deploy.postgres.dead_letters import Choice

app = typer.Typer(no_args_is_help=True)
"""Mounted as `dead-letters`."""

Topic = Annotated[str | None, typer.Option(help="Only those of this topic, such as telemetry.metrics.v1.")]
Code = Annotated[str | None, typer.Option(help="Only those with this code, such as unsupported_version.")]
Since = Annotated[str, typer.Option(help="Only those received since then: ISO 8601, UTC.")]


@app.callback()
def described() -> None:
    """Messages that no service could use: kept with their reason, origin and bytes, and replayed when they can be.

    The name of a dead letter is its origin, `topic/partition/offset`. `tidegauge partitions` shows what they have
    stopped.
    TIDEGAUGE_POSTGRES and TIDEGAUGE_KAFKA name the servers, else the system running here does.
    """


@app.command("list", epilog="Example: `tidegauge dead-letters list --code unsupported_version --limit 5`.")
def list_dead_letters(
    folder: Folder = HERE,
    topic: Topic = None,
    code: Code = None,
    since: Since = "",
    limit: Annotated[int, typer.Option(help="How many lines, newest first.", min=1, max=10_000)] = 20,
) -> None:
    """List dead letters, newest first, and how many there are by topic and code."""
    with cli_errors():
        chosen = dead_letters.choice(topic, code, since)
        found = asyncio.run(dead_letters.listing(postgres_of(folder), chosen, limit))
    typer.echo("\n".join(dead_letters.rendered(found)))


@app.command(
    epilog="Example: `tidegauge dead-letters show telemetry.metrics.v1/3/1042 --raw` writes its bytes."
)
def show(
    name: Annotated[str, typer.Argument(metavar="ID", help="topic/partition/offset, as `list` prints it.")],
    folder: Folder = HERE,
    *,
    raw: Annotated[bool, typer.Option("--raw", help="Write the original bytes, and nothing else.")] = False,
) -> None:
    """Show one dead letter: reason, origin, times and the beginning of its bytes, in hex and as text."""
    with cli_errors():
        dead_letter, value = asyncio.run(dead_letters.one(postgres_of(folder), name))
    if raw:
        typer.echo(value, nl=False)
    else:
        typer.echo("\n".join(dead_letters.described(dead_letter, value)))


@app.command(epilog="Example: `tidegauge dead-letters replay --code unsupported_version` after an upgrade.")
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
    """Publish dead letters to their origin again, for example after an upgrade that can read them.

    A dead letter counts once, however often it is replayed, and a replay that was interrupted is simply run again. The
    options choose only those that were never replayed; an id chooses one in any case. A message that still cannot be
    used becomes a dead letter again, and its origin is the place of its replay. Points that are 9 days old by then, and
    events that are 6 days old, are refused one by one.
    """
    if bool(ids) == bool(topic or code or since or every):
        raise typer.BadParameter("give ids, or else --topic, --code, --since or --all")
    with cli_errors():
        chosen = dead_letters.choice(topic, code, since)
        chosen = Choice(chosen.topic, chosen.code, chosen.since, ids or None, waiting=not ids)
        kafka = kafka_of(folder)
        done = asyncio.run(dead_letters.replay(postgres_of(folder), kafka, chosen))
    typer.echo(f"replayed {done}" if done else "nothing had to be replayed")
