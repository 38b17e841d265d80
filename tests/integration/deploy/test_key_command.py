"""`tidegauge key` as an operator types it, on a real database."""

import secrets

import pytest
from typer.testing import CliRunner

from deploy.cli import app
from deploy.local.stack import Stack

pytestmark = pytest.mark.servers


def run(stack: Stack, *words: str) -> tuple[int, str]:
    """Exit code and all that is printed."""
    done = CliRunner().invoke(app, ["key", *words], env={"TIDEGAUGE_POSTGRES": stack.postgres})
    return done.exit_code, done.output.strip()


@pytest.fixture
def tenant() -> str:
    """A name that nobody has."""
    return f"keys-{secrets.token_hex(4)}"


def rows(stack: Stack, tenant: str) -> list[list[str]]:
    """Beginning, scope and state of each key of a tenant, and its origins."""
    lines = run(stack, "list", f"--tenant={tenant}")[1].splitlines()[1:]
    keys = [line.split() for line in lines]
    return [[key[1], key[3], key[4], *key[6:]] for key in keys]


def test_a_key_goes_from_its_making_to_its_end(stack: Stack, tenant: str) -> None:
    """Made, rotated to one successor with the same rights while both are good, revoked."""
    _, first = run(stack, "create", f"--tenant={tenant}", "--scope=beacon", "--origin=https://Shop.example/")
    _, second = run(stack, "rotate", first[:9])
    again = run(stack, "rotate", first)
    between = rows(stack, tenant)
    revoked, unknown = run(stack, "revoke", first[:9]), run(stack, "revoke", first[:9])

    origin = "https://shop.example"
    assert [
        [f"{first[:9]}…", "beacon", "rotated", origin],
        [f"{second[:9]}…", "beacon", "live", origin],
    ] == between
    assert (1, True) == (again[0], "has a successor: revoke it first" in again[1])
    assert (0, f"revoked {first[:9]}…") == revoked
    assert (1, True) == (unknown[0], "no live key begins with" in unknown[1])
    assert ["revoked", "live"] == [row[2] for row in rows(stack, tenant)]


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (("--scope=beacon",), "a key of scope beacon needs the origins of its pages"),
        (("--scope=write", "--origin=*"), "'*' is no origin"),
    ],
)
def test_a_key_that_cannot_be_is_refused(
    stack: Stack, tenant: str, words: tuple[str, ...], text: str
) -> None:
    """In one sentence, and nothing is made."""
    code, said = run(stack, "create", f"--tenant={tenant}", *words)

    assert (1, True, []) == (code, text in said, rows(stack, tenant))
