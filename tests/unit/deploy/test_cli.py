"""The command line explains itself and says what to do when it cannot do what it is asked."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer
from typer.core import TyperCommand, TyperGroup
from typer.testing import CliRunner

from deploy.cli import app

COMMANDS = (
    "up", "down", "env", "migrate", "roles", "topics", "audit", "sink", "key", "tenant", "dead-letters", "partitions",
    "status", "version", "reader", "sql", "export", "groups", "silence",
)  # fmt: skip


def run(*words: str, env: dict[str, str] | None = None) -> tuple[int, str]:
    """Exit code and all that is printed."""
    done = CliRunner().invoke(
        app,
        list(words),
        env={"TIDEGAUGE_POSTGRES": "", "TIDEGAUGE_KAFKA": "", "TIDEGAUGE_READER_POSTGRES": ""} | (env or {}),
    )
    return done.exit_code, done.output


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_has_help(command: str) -> None:
    """A newcomer finds every command and what it is for."""
    code, text = run(command, "--help")

    assert code == 0
    assert command in run("--help")[1]
    assert len(text.split()) > 15


def commands(group: TyperGroup, *path: str) -> Iterator[tuple[str, TyperCommand]]:
    """Each command that does something, with the words that call it."""
    for name, command in group.commands.items():
        if isinstance(command, TyperGroup):
            yield from commands(command, *path, name)
        else:
            yield " ".join(("tidegauge", *path, name)), command


@pytest.mark.parametrize(
    ("words", "command"), [pytest.param(*each, id=each[0]) for each in commands(typer.main.get_command(app))]
)
def test_each_command_has_an_example_that_can_be_typed(words: str, command: TyperCommand) -> None:
    """The help ends with a call of the command, and the command takes its options."""
    quoted = re.search(rf"^Example: `.*?{words}\b([^`)]*)", command.epilog or "")

    assert quoted, f"{words} --help has no example"
    command.make_context(words, shlex.split(quoted[1]))


@pytest.mark.parametrize(
    "words",
    [
        ("env",),
        ("migrate",),
        ("topics",),
        ("audit",),
        ("key", "create", "--tenant=a", "--scope=read"),
        ("tenant", "list"),
        ("reader", "list"),
        ("reader", "create", "--tenant=a"),
        ("sql",),
        ("dead-letters", "list"),
        ("partitions", "list"),
        ("groups", "status"),
        ("groups", "backfill"),
        ("status",),
        ("export", "events"),
        ("partitions", "reset", "t", "0", "--to=earliest"),
        ("dead-letters", "replay", "--all"),
    ],
)
def test_without_a_system_it_says_how_to_start_one(tmp_path: Path, words: tuple[str, ...]) -> None:
    """One sentence and an exit code, no trace."""
    code, text = run(*words, "--folder", str(tmp_path))

    assert code == 1
    assert "no system runs in this folder: start one by `make run` or `tidegauge up`" in text
    assert "Traceback" not in text


def test_down_without_a_system_is_no_error(tmp_path: Path) -> None:
    """What was wanted is so already."""
    assert run("down", "--folder", str(tmp_path)) == (0, "nothing runs in this folder\n")


def test_an_unreachable_server_is_named() -> None:
    """The address came from the environment and nobody answers there."""
    code, text = run("migrate", env={"TIDEGAUGE_POSTGRES": "postgresql://nobody@127.0.0.1:1/none"})

    assert code == 1
    assert "postgres is unavailable" in text


def test_a_file_of_label_sets_is_checked(tmp_path: Path) -> None:
    """Before an aggregator is started with it; without any server."""
    good, bad = tmp_path / "good.yml", tmp_path / "bad.yml"
    good.write_text("metrics:\n  '*': [[], [a]]\n  m: [[b]]\n")
    bad.write_text("metrics:\n  m: [[a, a]]\n")

    assert (0, f"{good}: 3 label sets in 2 patterns\n") == run("groups", "check", str(good))
    assert (1, f"tidegauge: {bad}:2:7: metrics.m[0]: a label stands twice\n") == run(
        "groups", "check", str(bad)
    )


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        pytest.param(
            ("--from", "noon"), "--from: must be an instant such as 2026-03-01T12:00Z", id="no instant"
        ),
        pytest.param(
            ("--from", "2026-03-02", "--to", "2026-03-01"), "--from: must be before --to", id="backwards"
        ),
    ],
)
def test_an_audit_of_no_span_is_refused(words: tuple[str, ...], problem: str) -> None:
    """Before any server is asked."""
    nowhere = {"TIDEGAUGE_POSTGRES": "postgresql://nobody@127.0.0.1:1/none", "TIDEGAUGE_KAFKA": "127.0.0.1:1"}

    assert (1, f"tidegauge: {problem}\n") == run("audit", *words, env=nowhere)
