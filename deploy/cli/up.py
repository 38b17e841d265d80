"""`tidegauge up`, `down`, `env` and `version`: the whole system on one machine."""

from importlib.metadata import version as version_of
from typing import Annotated

import typer

from deploy.cli.errors import cli_errors
from deploy.cli.options import HERE, Folder
from deploy.local import running

app = typer.Typer()


@app.command(epilog="Example: `tidegauge up --fresh` forgets the data of earlier runs and starts everything.")
def up(
    folder: Folder = HERE,
    *,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Forget the data, keys and ports of earlier runs.")
    ] = False,
    servers_only: Annotated[
        bool, typer.Option("--servers-only", help="Only Kafka, Postgres and Redis, with topics and tables.")
    ] = False,
    demo: Annotated[bool, typer.Option("--demo/--no-demo", help="Post this machine's own figures.")] = True,
) -> None:
    """Start everything here and keep it running until Ctrl-C.

    Kafka, Postgres and Redis are started on loopback unless TIDEGAUGE_KAFKA (host:port), TIDEGAUGE_POSTGRES
    (postgresql://…) or TIDEGAUGE_REDIS (redis://…) gives the address of one that runs already. Ports are chosen and
    remembered; TIDEGAUGE_KAFKA_PORT, TIDEGAUGE_POSTGRES_PORT, TIDEGAUGE_REDIS_PORT, GATEWAY_PORT (post here),
    GATEWAY_QUERY_PORT (look here), GATEWAY_METRICS_PORT, GATEWAY_QUERY_METRICS_PORT and SINK_PORT set them.
    """
    with cli_errors():
        # An installation for production lacks the packages that these import.
        from deploy.local.up.progress import Progress  # noqa: PLC0415
        from deploy.local.up.run import UpOptions, run  # noqa: PLC0415

        run(UpOptions(folder, fresh, servers_only, demo), Progress())


@app.command(epilog="Example: `tidegauge down --folder /srv/tidegauge` stops the system of another folder.")
def down(folder: Folder = HERE) -> None:
    """Stop the system that runs in this folder; its data stay."""
    with cli_errors():
        stopped = running.down(folder)
    typer.echo("nothing runs in this folder" if stopped is None else f"stopped (process {stopped})")


@app.command(
    epilog='Example: `eval "$(tidegauge env)"` gives a shell TIDEGAUGE_URL (post here), TIDEGAUGE_QUERY_URL '
    "(look here), the keys and the servers."
)
def env(folder: Folder = HERE) -> None:
    """Print addresses and keys of the running system as shell exports."""
    with cli_errors():
        typer.echo(running.exports(running.environment(folder)))


@app.command(epilog="Example: `tidegauge version` prints the version alone.")
def version() -> None:
    """Print the version of what is installed, for a report or a script."""
    typer.echo(version_of("tidegauge"))
