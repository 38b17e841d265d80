"""Agents written in Go, and a store of objects, built from the module proxy in pinned versions, once a machine.

`python -m tests.e2e.agents.programs` builds all of them ahead of the tests: some minutes. They lie in the user's cache,
each under a hash of its recipe, so that a second clone finds them.
"""

import fcntl
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Protocol

import yaml

from deploy.local.servers.jars import cache
from deploy.local.servers.prerequisites import Say
from shared.errors import Misconfigured

BUILT = os.environ.get("TIDEGAUGE_CLIENTS") == "all"
"""Whether those tests run that need them."""

ADVICE = (
    "Go is missing, and the agents are built with it: install Go 1.26 or newer, and have `go` on the path"
)

ENVIRON = {"GOFLAGS": "-p=2 -buildvcs=false -trimpath", "GOWORK": "off", "CGO_ENABLED": "0"}


@dataclass(frozen=True)
class Program:
    """A program of a module of Go, built as its release is."""

    module: str
    version: str
    package: str
    tags: str = ""
    """Which of its plugins are built."""

    def recipe(self) -> bytes:
        """What decides what it becomes."""
        return repr(self).encode()

    def build(self, output: Path) -> None:
        """Build it to a path; raise `Misconfigured`."""
        # In its own folder, so that its own go.mod and go.sum say what it is built of.
        said = run("go", "mod", "download", "-json", f"{self.module}@{self.version}")
        source = Path(json.loads(said)["Dir"])
        run("go", "build", "-mod=readonly", "-tags", self.tags, "-o", str(output), self.package, at=source)


@dataclass(frozen=True)
class Collector:
    """An OpenTelemetry Collector of the components that a manifest names, made by OpenTelemetry's own builder."""

    manifest: Path
    builder: Program

    def recipe(self) -> bytes:
        """What decides what it becomes."""
        return self.builder.recipe() + self.manifest.read_bytes()

    def build(self, output: Path) -> None:
        """Build it to a path; raise `Misconfigured`."""
        with tempfile.TemporaryDirectory() as folder:
            builder = Path(folder, "builder")
            self.builder.build(builder)
            manifest = yaml.safe_load(self.manifest.read_text())
            manifest["dist"]["output_path"] = f"{folder}/made"
            path = Path(folder, "manifest.yaml")
            path.write_text(yaml.safe_dump(manifest))
            run(str(builder), f"--config={path}")
            shutil.move(Path(folder, "made/otelcol"), output)


COLLECTOR = Collector(
    Path(__file__).with_name("collector.yaml"),
    Program("go.opentelemetry.io/collector/cmd/builder", "v0.165.0", "."),
)
PROMETHEUS = Program("github.com/prometheus/prometheus", "v0.316.0", "./cmd/prometheus", "remove_all_sd")
VMAGENT = Program("github.com/VictoriaMetrics/VictoriaMetrics", "v1.151.0", "./app/vmagent")
TELEGRAF = Program(
    "github.com/influxdata/telegraf", "v1.37.2", "./cmd/telegraf",
    "custom,inputs.http,inputs.internal,parsers.prometheus,outputs.file,outputs.http,outputs.influxdb,"
    "outputs.influxdb_v2,serializers.influx,serializers.prometheusremotewrite",
)  # fmt: skip

OBJECT_STORE = Program("github.com/versity/versitygw", "v1.8.0", "./cmd/versitygw")
"""S3 over a folder: what the archive is written to where there is no cloud."""

ALL: Mapping[str, Program | Collector] = {
    "otelcol": COLLECTOR, "prometheus": PROMETHEUS, "vmagent": VMAGENT, "telegraf": TELEGRAF, "versitygw": OBJECT_STORE,
}  # fmt: skip


class Buildable(Protocol):
    """What Go makes a program of."""

    def recipe(self) -> bytes:
        """What decides what it becomes."""

    def build(self, output: Path) -> None:
        """Build it to a path; raise `Misconfigured`."""


def program(name: str, say: Say = print) -> Path:
    """Where a program lies, built if it was not. Raises `Misconfigured`."""
    return built(name, ALL[name], say)


def built(name: str, made: Buildable, say: Say = print) -> Path:
    """Where what is made so lies, built if it was not. Raises `Misconfigured`."""
    path = cache() / "agents" / f"{name}-{sha256(made.recipe()).hexdigest()[:12]}"
    path.parent.mkdir(parents=True, exist_ok=True)
    # Several test processes may ask at once.
    with path.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not path.exists():
            say(f"{name} is built by Go, once")
            draft = path.with_suffix(".draft")
            made.build(draft)
            draft.rename(path)
    return path


def run(*command: str, at: Path | None = None) -> str:
    """What a command prints; raise `Misconfigured` when it fails."""
    if shutil.which(command[0]) is None:
        raise Misconfigured(ADVICE)
    done = subprocess.run(
        command, cwd=at, env=os.environ | ENVIRON, check=False, capture_output=True, text=True
    )
    if done.returncode:
        raise Misconfigured(f"{' '.join(command)} failed:\n{done.stdout}{done.stderr}")
    return done.stdout


if __name__ == "__main__":
    for each in ALL:
        program(each)
