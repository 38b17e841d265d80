"""`tidegauge silence`: makes, lists and ends silences, as somebody on call."""

import getpass
import os
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from deploy.cli.errors import cli_errors
from deploy.cli.options import HERE, Folder
from deploy.local import running
from shared.alerts.silences.matchers import Matcher, written
from shared.errors import Misconfigured

app = typer.Typer(no_args_is_help=True)

_SPAN = re.compile(r"(\d{1,6})([mhdw])")
_SECONDS = {"m": 60, "h": 3_600, "d": 86_400, "w": 604_800}


@app.callback()
def silence() -> None:
    """Silences: which alerts nobody is told of, for a time.

    TIDEGAUGE_QUERY_URL and TIDEGAUGE_ONCALL_KEY say whom to ask and as whom, else the system running here does.
    """


@app.command(
    epilog="Example: `tidegauge silence add alertname=Slow 'endpoint=~/pay/.*' --for 2h --comment deploy` prints the "
    "silence's id, and how many alerts it is about."
)
def add(
    matchers: Annotated[
        list[str], typer.Argument(help="`label=value`, `!=`, `=~pattern`, `!~`; all must match.")
    ],
    for_: Annotated[str, typer.Option("--for", help="How long: 30m, 2h, 7d or 2w.")],
    comment: Annotated[str, typer.Option(help="Why.")],
    author: Annotated[str, typer.Option(help="Who; the user of this machine if not given.")] = "",
    folder: Folder = HERE,
    *,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what it would be about, make none.")
    ] = False,
) -> None:
    """Hold back alerts with such labels, and print the silence's id.

    What fires still when it ends is told then; who was told that an alert fires is told that it ends.
    """
    with cli_errors():
        asked = [_shown(written(text)) for text in matchers]
        ask = _Asked(folder)
        found = ask.answer("POST", "/v1/silences/preview", {"matchers": asked})
        typer.echo(
            f"about {found['now']} alerts now, and {found['last_7_days']} that fired in 7 days", err=True
        )
        if dry_run:
            return
        body = {
            "matchers": asked,
            "lasts_s": _span_s(for_),
            "author": author or getpass.getuser(),
            "comment": comment,
        }
        made = ask.answer("POST", "/v1/silences", body)
    typer.echo(made["id"])


@app.command("list", epilog="Example: `tidegauge silence list` shows a line for each that has not ended.")
def list_silences(
    folder: Folder = HERE,
    *,
    expired: Annotated[bool, typer.Option("--expired", help="Those that have ended.")] = False,
) -> None:
    """Print silences: id, state, end, author, how many alerts each is about now, matchers, comment."""
    with cli_errors():
        states = "?state=expired" if expired else "?state=active&state=pending"
        found = _Asked(folder).answer("GET", f"/v1/silences{states}")
    for one in found["silences"]:
        said = " ".join(f"{each['name']}{each['operator']}{each['value']}" for each in one["matchers"])
        end = datetime.fromtimestamp(one["ends_ms"] / 1000, UTC).strftime("%Y-%m-%d %H:%M UTC")
        words = (one["id"], one["state"], end, one["author"], str(one["alerts"]), said, one["comment"])
        typer.echo("  ".join(words))
    if found["truncated"]:
        typer.echo("there are more than 1,000: these end last", err=True)


@app.command(
    epilog="Example: `tidegauge silence expire 5f0c91aa-0000-4000-8000-000000000000` ends that one now."
)
def expire(
    ids: Annotated[list[str], typer.Argument(help="As `silence list` prints them.")],
    author: Annotated[str, typer.Option(help="Who; the user of this machine if not given.")] = "",
    folder: Folder = HERE,
) -> None:
    """End silences: what fires still is told within a second."""
    with cli_errors():
        ask = _Asked(folder)
        for silence_id in ids:
            ask.answer("DELETE", f"/v1/silences/{silence_id}", author=author or getpass.getuser())
            typer.echo(f"ended {silence_id}")


class _Asked:
    """The gateway that is asked, as somebody on call."""

    def __init__(self, folder: Path) -> None:
        self._url = running.address("TIDEGAUGE_QUERY_URL", folder, os.environ)
        self._key = running.address("TIDEGAUGE_ONCALL_KEY", folder, os.environ)

    def answer(self, method: str, path: str, body: Any = None, **params: str) -> Any:
        """The body of an answer. Raises `Rejected` for a refusal, and `Unavailable`."""
        from deploy.cli.alerts import asking  # noqa: PLC0415  other commands start quicker without

        return asking.answer(self._url, self._key, method, path, body=body, params=params)


def _shown(matcher: Matcher) -> dict[str, str]:
    return {"name": matcher.name, "operator": matcher.operator, "value": matcher.value}


def _span_s(text: str) -> int:
    found = _SPAN.fullmatch(text)
    if found is None:
        raise Misconfigured(f"--for {text!r} is not like 30m, 2h, 7d or 2w")
    return int(found[1]) * _SECONDS[found[2]]
