"""`tidegauge sink`: a webhook that prints alerts."""

from typing import Annotated

import typer

app = typer.Typer()


@app.command(
    epilog="Example: `tidegauge sink --port 9100`, and ALERTS_WEBHOOKS=sink=http://127.0.0.1:9100/ for the service."
)
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
