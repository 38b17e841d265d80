"""Each service starts with only its own extra: what it imports, it has declared.

The environments are fresh and hold what the lock pins; the project itself is read from the working tree.
"""

import os
import shutil
import socket
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

FOREIGN = {
    "gateway": ("faust", "mode"),
    "aggregator": ("fastapi", "uvicorn", "httptools"),
    "ingest": ("fastapi", "uvicorn", "httptools", "redis"),
    "alerts": ("fastapi", "uvicorn", "httptools", "redis"),
}
"""Service -> packages of other extras, which its environment must not hold."""

PROBE = """
import importlib, importlib.util, sys
service, *foreign = sys.argv[1:]
importlib.import_module(f"services.{service}.app")
if service != "gateway":
    importlib.import_module("shared.stream.runtimes.faust_runtime")
print([name for name in foreign if importlib.util.find_spec(name)])
"""


def uv() -> str:
    """The uv that made this environment, or the one on the path."""
    beside = Path(sys.executable).with_name("uv")
    found = str(beside) if beside.exists() else shutil.which("uv")
    assert found, "uv is neither beside this interpreter nor on the path"
    return found


def run(*command: str, cwd: Path, env: dict[str, str] | None = None) -> str:
    """The output of a command that must succeed."""
    done = subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(params=sorted(FOREIGN))
def service(request: pytest.FixtureRequest) -> str:
    """Each service that has an extra."""
    return request.param


@pytest.fixture
def python(root: Path, tmp_path: Path, service: str) -> Path:
    """The interpreter of an environment that holds one extra, as locked."""
    project = tomllib.loads((root / "pyproject.toml").read_text())["project"]
    needs = project["dependencies"] + project["optional-dependencies"][service]
    run(uv(), "venv", "--quiet", "--python", sys.executable, str(tmp_path / "venv"), cwd=root)
    python = tmp_path / "venv/bin/python"
    constraint = str(root / "requirements.lock")
    run(uv(), "pip", "install", "-q", "--python", str(python), "-c", constraint, *needs, cwd=root)
    return python


def test_every_service_is_probed(root: Path) -> None:
    """A service on disk without an entry here would go unseen."""
    on_disk = {path.parent.name for path in root.glob("services/*/__main__.py")}

    assert on_disk == set(FOREIGN)


NOBODY = {
    "TIDEGAUGE_KAFKA": "127.0.0.1:9",
    "TIDEGAUGE_POSTGRES": "postgresql://nobody@127.0.0.1:9/none",
    "TIDEGAUGE_REDIS": "redis://127.0.0.1:9",
    "ALERTS_RULES": "deploy/rules/default.yml",
}
"""Addresses at which nothing listens, and what a start needs besides."""

WAITS = {
    "gateway": "cannot publish",
    "aggregator": "waiting for Postgres",
    "ingest": "waiting for Postgres",
    "alerts": "waiting for Postgres",
}
"""Service -> what it logs while its servers are away."""


def test_a_service_starts_with_only_its_own_extra(root: Path, service: str, python: Path) -> None:
    """It imports nothing that another service declared, waits for absent servers, and stops when told."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = str(free.getsockname()[1])
    env = (
        os.environ | NOBODY | {"GATEWAY_PORT": port, "PYTHONPATH": str(root), "PYTHONDONTWRITEBYTECODE": "1"}
    )
    out = run(str(python), "-W", "ignore", "-c", PROBE, service, *FOREIGN[service], cwd=root, env=env)
    command = [str(python), "-W", "ignore", "-m", f"services.{service}"]
    with subprocess.Popen(command, cwd=root, env=env, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        logged = next((line for line in process.stderr if WAITS[service] in line), None)
        process.terminate()
        code = process.wait(90)

    assert out.splitlines()[-1] == "[]"
    assert (True, 0) == (logged is not None, code)
