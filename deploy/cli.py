"""The command line: parses words, calls the code, turns our errors into one sentence and an exit code.

The law: nothing is decided here.
"""

import asyncio
import os
from importlib.metadata import version as version_of
from logging import NullHandler, getLogger
from typing import Annotated, Final, Literal

import typer

from deploy import cli_dead_letters
from deploy.explained import HERE, Folder, explained
from deploy.local import running
from deploy.tenants import Change, Scope, limit, listed, new_key, store, told
from shared.runtime.clock import now_ms

app = typer.Typer(no_args_is_help=True, add_completion=False, rich_markup_mode="markdown")
key_app = typer.Typer(no_args_is_help=True, help="API keys: who may write and read.")
app.add_typer(key_app, name="key")
tenant_app = typer.Typer(no_args_is_help=True, help="Tenants: who they are and how much they may send.")
app.add_typer(tenant_app, name="tenant")
app.add_typer(cli_dead_letters.app, name="dead-letters")

MOST: Final = {"min": 1, "max": 1_000_000_000}


@app.callback()
def tidegauge() -> None:
    """Tidegauge: telemetry in, windows out that say how complete they are.

    Start with `tidegauge up`; it explains the rest.
    """
    # The Kafka client logs each attempt to reach a broker that is still starting.
    getLogger("aiokafka").addHandler(NullHandler())
    getLogger("aiokafka").propagate = False


@app.command()
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
    remembered; TIDEGAUGE_KAFKA_PORT, TIDEGAUGE_POSTGRES_PORT, TIDEGAUGE_REDIS_PORT, GATEWAY_PORT and SINK_PORT set
    them.
    """
    with explained():
        from deploy.local.up.progress import Progress  # noqa: PLC0415  production has no servers to start
        from deploy.local.up.run import UpOptions, run  # noqa: PLC0415

        run(UpOptions(folder, fresh, servers_only, demo), Progress())


@app.command()
def down(folder: Folder = HERE) -> None:
    """Stop the system that runs in this folder; its data stay."""
    with explained():
        stopped = running.down(folder)
    typer.echo("nothing runs in this folder" if stopped is None else f"stopped (process {stopped})")


@app.command()
def env(folder: Folder = HERE) -> None:
    """Print addresses and keys of the running system as shell exports: `eval "$(tidegauge env)"`."""
    with explained():
        typer.echo(running.exports(running.environment(folder)))


@app.command()
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
    from deploy.postgres.migrate import migrate as apply  # noqa: PLC0415

    phase: Literal["pre", "post"] | None = None if pre == post else "pre" if pre else "post"
    with explained():
        address = running.address("TIDEGAUGE_POSTGRES", folder, os.environ)
        _report(asyncio.run(apply(address, phase=phase)), "applied")


@app.command()
def topics(
    folder: Folder = HERE,
    partitions: Annotated[int, typer.Option(help="Partitions of each topic, fixed for ever.", min=1)] = 12,
    replication: Annotated[int, typer.Option(help="Brokers that keep each record.", min=1)] = 1,
) -> None:
    """Create the topics that Kafka lacks and check the rest (TIDEGAUGE_KAFKA, else the system running here)."""
    from deploy.kafka.topics import create  # noqa: PLC0415

    with explained():
        address = running.address("TIDEGAUGE_KAFKA", folder, os.environ)
        _report(asyncio.run(create(address, partitions=partitions, replication=replication)), "created")


@app.command()
def sink(
    port: Annotated[int, typer.Option(help="Port on loopback.", min=1, max=65535)] = 9099,
) -> None:
    """Print alerts as they come: a webhook for trying out and for drills, until Ctrl-C.

    It takes Alertmanager's payload, version 4: ALERTS_WEBHOOKS=sink=http://127.0.0.1:9099/ sends to it.
    """
    from deploy.local.interrupt import Stopping, interruptible  # noqa: PLC0415  other commands start quicker without
    from deploy.local.sink import run  # noqa: PLC0415

    try:
        with interruptible():
            run(port)
    except OSError as problem:
        typer.echo(f"tidegauge: port {port}: {problem.strerror}", err=True)
        raise typer.Exit(1) from None
    except Stopping:
        typer.echo("stopped")


@app.command()
def audit(
    folder: Folder = HERE,
    from_: Annotated[
        str, typer.Option("--from", help="ISO 8601, UTC; an hour before --to if not given.")
    ] = "",
    to: Annotated[str, typer.Option("--to", help="ISO 8601, UTC; now if not given.")] = "",
    tenant: Annotated[str | None, typer.Option(help="Name of the only tenant to look at.")] = None,
) -> None:
    """Show that everything received is accounted for; exit code 1 when it is not.

    What came in is held against what became of it, minute by minute, and each tier of rollups against the finer one.
    TIDEGAUGE_POSTGRES and TIDEGAUGE_KAFKA say where to look, else the system running here does; where the services have
    a TIDEGAUGE_TOPIC_PREFIX, give it here as well.
    """
    from deploy import audit as auditing  # noqa: PLC0415

    with explained():
        postgres, kafka = (
            running.address(name, folder, os.environ) for name in ("TIDEGAUGE_POSTGRES", "TIDEGAUGE_KAFKA")
        )
        prefix = os.environ.get("TIDEGAUGE_TOPIC_PREFIX", "")
        asked = auditing.question((from_, to), tenant, prefix, now_ms())
        found = asyncio.run(auditing.run(postgres, kafka, asked))
    typer.echo("\n".join(auditing.told(found)))
    if not found.sound:
        raise typer.Exit(1)


@key_app.command("create")
def create_key(
    tenant: Annotated[str, typer.Option(help="Whose data; made when it is new.")],
    scope: Annotated[Scope, typer.Option(help="What the key allows.")],
    folder: Folder = HERE,
) -> None:
    """Make a key and print it: this is the only time it can be seen, the database keeps a hash."""
    with explained():
        address = running.address("TIDEGAUGE_POSTGRES", folder, os.environ)
        key = new_key(scope)
        asyncio.run(store(address, tenant, {key: scope}))
    typer.echo(key)


@tenant_app.command("list")
def list_tenants(folder: Folder = HERE) -> None:
    """Print all tenants: points a second, points at once, active series, and what is readable of their keys."""
    with explained():
        tenants = asyncio.run(listed(running.address("TIDEGAUGE_POSTGRES", folder, os.environ)))
    typer.echo("\n".join(told(tenants)))


@tenant_app.command("limit")
def limit_tenant(
    name: Annotated[str, typer.Argument(help="The tenant, as `tenant list` prints it.")],
    folder: Folder = HERE,
    points_per_s: Annotated[
        int | None, typer.Option(help="Points a second in the long run; beyond: 429.", **MOST)
    ] = None,
    points_burst: Annotated[int | None, typer.Option(help="Points at once after a pause.", **MOST)] = None,
    max_series: Annotated[
        int | None, typer.Option(help="Active series; beyond, points count in overflow series.", **MOST)
    ] = None,
) -> None:
    """Change how much a tenant may send; gateways heed it within a minute. What is not given stays."""
    change = Change(points_per_s, points_burst, max_series)
    if not any(change):
        raise typer.BadParameter("give at least one of --points-per-s, --points-burst, --max-series")
    with explained():
        asyncio.run(limit(running.address("TIDEGAUGE_POSTGRES", folder, os.environ), name, change))
    typer.echo(f"changed {name}")


@app.command()
def version() -> None:
    """Print the version."""
    typer.echo(version_of("tidegauge"))


def _report(names: list[str], what: str) -> None:
    typer.echo("\n".join(f"{what} {name}" for name in names) or f"nothing had to be {what}")
