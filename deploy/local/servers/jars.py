"""The broker's jars, resolved by Maven once for each content of `deploy/kafka/pom.xml`.

The jars lie in the user's cache, so that a second clone finds them. Maven fills a temporary folder, which is renamed
when it is complete.
"""

import hashlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from deploy.local.servers.prerequisites import Say, java, maven
from shared.errors import Unavailable

POM = Path(__file__).resolve().parents[2] / "kafka/pom.xml"


def cache() -> Path:
    """Where downloads are kept: `TIDEGAUGE_CACHE`, else the user's cache folder."""
    if given := os.environ.get("TIDEGAUGE_CACHE"):
        return Path(given)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "tidegauge"


def class_path(say: Say) -> str:
    """Java's class path of the broker; asks Maven when this pom was not resolved before."""
    wanted = cache() / f"kafka-{hashlib.sha256(POM.read_bytes()).hexdigest()[:12]}"
    if not wanted.is_dir():
        _resolve(wanted, say)
    return f"{wanted}/*"


def _resolve(wanted: Path, say: Say) -> None:
    program = maven(say)
    say("Kafka's jars are fetched by Maven, once")
    wanted.parent.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(prefix="kafka-draft-", dir=wanted.parent))
    try:
        done = subprocess.run(
            [
                program,
                "-q",
                "-B",
                "-f",
                str(POM),
                "dependency:copy-dependencies",
                f"-DoutputDirectory={draft}",
            ],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise Unavailable("Maven", f"it could not fetch Kafka's jars:\n{done.stdout}{done.stderr}")
        if not wanted.is_dir():  # a copy that started beside us may have been quicker
            draft.chmod(0o755)
            draft.rename(wanted)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


if __name__ == "__main__":
    # Fetches everything ahead of the tests, whose patience is shorter than a download may take.
    java(print)
    class_path(print)
