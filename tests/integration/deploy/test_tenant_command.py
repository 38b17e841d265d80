"""`tidegauge tenant` and `tidegauge key` as an operator types them, on a real database."""

import asyncio
import secrets

import pytest
from typer.testing import CliRunner

from deploy.cli import app
from deploy.local.stack import Stack
from deploy.tenants import SWITCHES
from shared.postgres import connections

pytestmark = pytest.mark.servers


def run(stack: Stack, *words: str) -> tuple[int, str]:
    """Exit code and all that is printed."""
    done = CliRunner().invoke(app, list(words), env={"TIDEGAUGE_POSTGRES": stack.postgres})
    return done.exit_code, done.output


@pytest.fixture
def name(stack: Stack) -> str:
    """A tenant with a write key."""
    name = f"tenant-{secrets.token_hex(4)}"
    code, _ = run(stack, "key", "create", f"--tenant={name}", "--scope=write")
    assert code == 0
    return name


def words_of(stack: Stack, name: str) -> list[str]:
    """What the list says of a tenant."""
    (line,) = (line for line in run(stack, "tenant", "list")[1].splitlines() if line.startswith(name))
    return line.split()


def test_a_tenant_is_listed_with_its_limits_and_keys(stack: Stack, name: str) -> None:
    """As migrations set them; of the key only its beginning."""
    _, rate, burst, series, prefix, scope = words_of(stack, name)

    assert ("50,000", "500,000", "10,000", "write") == (rate, burst, series, scope)
    assert prefix.startswith("tg_w_")
    assert len(prefix) == 10


def test_limits_are_changed_one_by_one(stack: Stack, name: str) -> None:
    """What is not given stays."""
    assert (0, f"changed {name}\n") == run(stack, "tenant", "limit", name, "--max-series=12345")
    assert (0, f"changed {name}\n") == run(stack, "tenant", "limit", name, "--points-per-s=7")

    assert ["7", "500,000", "12,345"] == words_of(stack, name)[1:4]


def test_an_unknown_tenant_is_named(stack: Stack) -> None:
    """Nothing is made by changing it."""
    code, text = run(stack, "tenant", "limit", "nobody", "--max-series=5")

    assert code == 1
    assert "there is no tenant 'nobody': `tidegauge tenant list` names them" in text


@pytest.mark.parametrize(
    "words", [(), ("--max-series=0",), ("--points-per-s=nan",), ("--max-series=99999999999",)]
)
def test_a_limit_that_is_none_is_refused(stack: Stack, name: str, words: tuple[str, ...]) -> None:
    """Nothing changes."""
    code, _ = run(stack, "tenant", "limit", name, *words)

    assert code == 2
    assert ["50,000", "500,000", "10,000"] == words_of(stack, name)[1:4]


def test_a_tenant_without_a_name_is_refused(stack: Stack) -> None:
    """One sentence, no trace."""
    assert (1, "tidegauge: a tenant needs a name\n") == run(
        stack, "key", "create", "--tenant=", "--scope=read"
    )


async def scrubbed(stack: Stack, name: str) -> list[str]:
    """What is taken out of a tenant's events."""
    async with connections.single(stack.postgres) as connection:
        found: list[str] = await connection.fetchval("SELECT scrub FROM tenant WHERE name = $1", name)
    return found


def test_a_tenant_of_which_nothing_was_said_is_scrubbed(stack: Stack, name: str) -> None:
    """All but the ids of users are; the word `default` comes back to it, and may stand beside others."""
    by_itself = asyncio.run(scrubbed(stack, name))
    run(stack, "tenant", "scrub", name)
    nothing = asyncio.run(scrubbed(stack, name))
    run(stack, "tenant", "scrub", name, "user", "email", "default")

    assert by_itself == [each for each in SWITCHES if each != "user"]
    assert nothing == []
    assert set(SWITCHES) == set(asyncio.run(scrubbed(stack, name)))


def test_what_is_taken_out_is_said_by_name(stack: Stack, name: str) -> None:
    """All at once, each time anew; what is none is named."""
    assert (0, f"changed {name}\n") == run(stack, "tenant", "scrub", name, "email", "user")
    assert (0, f"changed {name}\n") == run(stack, "tenant", "scrub", name)
    code, text = run(stack, "tenant", "scrub", name, "emails")

    assert (1, True) == (code, "'emails' is none of keys, token, email" in text)
