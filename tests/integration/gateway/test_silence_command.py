"""`tidegauge silence` as somebody on call types it, at a real gateway."""

import asyncio

import pytest
from typer.testing import CliRunner

from deploy.cli import app
from tests.support.http.reader import Reader

pytestmark = pytest.mark.servers


async def run(owner: Reader, *words: str, key: str = "") -> tuple[int, str, str]:
    """Exit code, what is printed, and what is said beside it."""
    environ = {"TIDEGAUGE_QUERY_URL": owner.url, "TIDEGAUGE_ONCALL_KEY": key or await owner.key_of("oncall")}
    done = await asyncio.to_thread(CliRunner().invoke, app, ["silence", *words], env=environ)
    return done.exit_code, done.stdout.strip(), done.stderr.strip()


async def test_a_silence_goes_from_its_making_to_its_end(mine: Reader) -> None:
    """It is previewed, made, listed and ended; a dry run makes none."""
    words = (
        "add",
        "alertname=Slow",
        "endpoint=~/pay/.*",
        "--for",
        "2h",
        "--comment",
        "deploy",
        "--author",
        "mk",
    )
    dry = await run(mine, *words, "--dry-run")
    code, made, preview = await run(mine, *words)
    _, listed, _ = await run(mine, "list")
    ended = await run(mine, "expire", made)
    again = await run(mine, "expire", made)
    _, left, _ = await run(mine, "list")
    _, expired, _ = await run(mine, "list", "--expired")

    assert (0, "", "about 0 alerts now, and 0 that fired in 7 days") == dry
    assert (0, dry[2]) == (code, preview)
    assert [made, "active"] == listed.split()[:2]
    assert listed.endswith("mk  0  alertname=Slow endpoint=~/pay/.*  deploy")
    assert (0, f"ended {made}") == ended[:2]
    assert (1, True) == (again[0], "unknown_silence" in again[2])
    assert ("", [made, "expired"]) == (left, expired.split()[:2])


@pytest.mark.parametrize(
    ("words", "said"),
    [
        pytest.param(
            ("add", "severity", "--for", "2h", "--comment", "x"),
            "is not like severity=warning",
            id="no matcher",
        ),
        pytest.param(("add", "a=b", "--for", "ever", "--comment", "x"), "is not like 30m, 2h", id="no span"),
        pytest.param(
            ("add", "a=b", "--for", "0m", "--comment", "x"), "ends_ms: must lie ahead", id="no time"
        ),
        pytest.param(("add", "a=b", "--for", "99w", "--comment", "x"), "400 days at most", id="too long"),
        pytest.param(("add", "a=", "--for", "1h", "--comment", "x"), "empty value", id="mutes all"),
        pytest.param(("expire", "x"), "unknown_silence", id="no silence"),
    ],
)
async def test_what_cannot_be_is_said_in_a_sentence(mine: Reader, words: tuple[str, ...], said: str) -> None:
    """Exit code 1, and nothing is silenced."""
    code, _, problem = await run(mine, *words)

    assert (1, True) == (code, said in problem), problem
    assert [] == (await mine.ask("/v1/silences")).json()["silences"]


async def test_who_may_only_read_is_told_so(mine: Reader) -> None:
    """The key's scope is named."""
    code, _, problem = await run(mine, "expire", "x", key=mine.key)

    assert (1, True) == (code, "oncall" in problem), problem
