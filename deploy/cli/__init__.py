"""The command line, `tidegauge`: a module a command or group; the work is done elsewhere in `deploy`."""

from logging import NullHandler, getLogger

import typer

from deploy.cli import dead_letters, migrate, partitions, status, topics, up
from deploy.cli.access import keys, logins, readers, sql, tenants
from deploy.cli.alerts import silences, sink
from deploy.cli.files import archive, export
from deploy.cli.rollups import audit, groups

app = typer.Typer(no_args_is_help=True, add_completion=False, rich_markup_mode="markdown")
for commands in (up, logins, migrate, sink, audit, status, sql, export):
    app.add_typer(commands.app)
app.add_typer(topics.app, name="topics")
app.add_typer(keys.app, name="key")
app.add_typer(tenants.app, name="tenant")
app.add_typer(readers.app, name="reader")
app.add_typer(dead_letters.app, name="dead-letters")
app.add_typer(partitions.app, name="partitions")
app.add_typer(groups.app, name="groups")
app.add_typer(archive.app, name="archive")
app.add_typer(silences.app, name="silence")


@app.callback()
def tidegauge() -> None:
    """Tidegauge: telemetry in, windows out that say how complete they are.

    Start with `tidegauge up`; it explains the rest.
    """
    # The Kafka client logs each attempt to reach a broker that is still starting.
    getLogger("aiokafka").addHandler(NullHandler())
    getLogger("aiokafka").propagate = False
