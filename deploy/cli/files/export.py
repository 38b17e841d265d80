"""`tidegauge export`: rows as a file that is proven to be whole."""

import json
import os
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from deploy.cli.errors import cli_errors
from deploy.cli.options import HERE, Folder
from deploy.local import running
from shared.errors import Misconfigured
from shared.runtime.clock import monotonic_s

app = typer.Typer()

SAY_S = {True: 0.5, False: 10.0}
"""How often progress is said: to a terminal, and to anything else."""


@app.command(
    epilog="Example: `tidegauge export windows --metric api.response_seconds --resolution 15m --from now-7d "
    "--where endpoint=/checkout --format parquet` writes windows.parquet."
)
def export(  # noqa: PLR0917 - one parameter for each of the export's
    table: Annotated[str, typer.Argument(help="windows, events, funnels, alerts or ledger.")] = "",
    question: Annotated[
        str, typer.Option(help="In place of a table: a question of POST /v1/query, as JSON.")
    ] = "",
    from_: Annotated[
        str, typer.Option("--from", help="Milliseconds, RFC 3339, or now-7d and the like; all if not given.")
    ] = "",
    to: Annotated[str, typer.Option("--to", help="The same; now if not given.")] = "",
    where: Annotated[
        list[str] | None, typer.Option(help="`name=value`, `name~glob*`, `name in(a,b)`; repeatable.")
    ] = None,
    metric: Annotated[str, typer.Option(help="Of windows: this metric alone.")] = "",
    resolution: Annotated[str, typer.Option(help="Of windows: 10s, 1m or 15m.")] = "",
    form: Annotated[str, typer.Option("--format", help="csv, jsonl, parquet or arrow.")] = "csv",
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="The file; named after the table.")
    ] = None,
    folder: Folder = HERE,
    *,
    sketch: Annotated[bool, typer.Option("--sketch", help="Of windows: with their sketches.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is there.")] = False,
) -> None:
    """Write rows to a file, and show that it is whole: rows, bytes and sha256 are compared with the gateway's.

    TIDEGAUGE_QUERY_URL and TIDEGAUGE_READ_KEY say whom to ask and as whom, else the system running here does. Until
    it is whole the file is called NAME.part; one that is cut is removed, and the exit code is 1. Nothing is repeated.
    """
    with cli_errors():
        from deploy.files import exports  # noqa: PLC0415  other commands start quicker without

        asked: dict[str, Any] = {"format": form, "table": table, "from": from_, "to": to, "where": where}
        asked |= {"metric": metric, "resolution": resolution, "sketch": sketch}
        asked["question"] = _json(question) if question else None
        if question:
            del asked["table"]
        asked = {name: value for name, value in asked.items() if value or name == "table"}
        path = output or Path(f"{'question' if question else table or 'export'}.{form}")
        if path.exists() and not force:
            raise Misconfigured(f"{path} is there; --force replaces it")
        url = running.address("TIDEGAUGE_QUERY_URL", folder, os.environ)
        key = running.address("TIDEGAUGE_READ_KEY", folder, os.environ)
        found = exports.fetch(exports.Asked(url, key, asked), path, _Progress().say)
    until = f", complete until {found.complete_until}" if found.complete_until else ""
    typer.echo(f"{found.path}: {found.rows:,} rows, {found.bytes:,} bytes, sha256 {found.sha256}{until}")


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as problem:
        raise Misconfigured(f"--question is no JSON: {problem}") from problem


class _Progress:
    """Says on standard error how much has come."""

    def __init__(self) -> None:
        self._terminal = sys.stderr.isatty()
        self._began_s = self._said_s = monotonic_s()

    def say(self, size: int) -> None:
        """So many bytes have come."""
        now_s = monotonic_s()
        if now_s - self._said_s >= SAY_S[self._terminal]:
            self._said_s = now_s
            rate = size / (now_s - self._began_s) / 1e6
            typer.echo(f"{size:,} bytes, {rate:.1f} MB/s", err=True, nl=not self._terminal)
            if self._terminal:
                typer.echo("\r", err=True, nl=False)
