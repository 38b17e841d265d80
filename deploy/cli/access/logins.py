"""`tidegauge login`: prints a link that opens the page, logged in."""

import asyncio
import os
from typing import Annotated

import typer

from deploy import api_keys
from deploy.cli.errors import cli_errors
from deploy.cli.options import HERE, Folder, postgres_of
from deploy.local import running

app = typer.Typer()

URL, CACHE = "TIDEGAUGE_QUERY_URL", "TIDEGAUGE_REDIS"


@app.command(epilog="Example: `tidegauge login tg_r_4fGh` opens the page with that key.")
def login(
    begins: Annotated[
        str, typer.Argument(help="How the key begins; empty: the demo's, of scope admin.")
    ] = "",
    folder: Folder = HERE,
) -> None:
    """Print a link to the page that logs in once, within ten minutes, with a key of scope read or admin."""
    with cli_errors():
        url, cache = (running.address(name, folder, os.environ) for name in (URL, CACHE))
        key = begins or running.address("TIDEGAUGE_ADMIN_KEY", folder, os.environ)
        made = asyncio.run(api_keys.login_link(postgres_of(folder), cache, url, key))
    typer.echo(made)
