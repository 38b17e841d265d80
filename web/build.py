"""Builds the page into `services/gateway/ui`, from where the query role serves it; `make ui` runs it.

It takes no longer than reading the sources where nothing has changed. With `--optional` (`make run`) a build that
fails is said and is no failure: the services work without a page.
"""

import sys
from pathlib import Path

from web.npm import TSC, VITE, BuildFailed, Bundle

WEB = Path(__file__).parent
PAGE = Bundle(
    WEB,
    WEB.parent / "services/gateway/ui",
    ("src/**/*", "*.json", "*.ts", "*.html", "public/**/*", ".npmrc"),
    ((TSC,), (VITE, "build", "--logLevel", "warn")),
)


def main(arguments: list[str]) -> int:
    """Build it; the exit code."""
    try:
        PAGE.built()
    except BuildFailed as error:
        print(f"page: it could not be built: {error}", file=sys.stderr)  # noqa: T201 # what a command says
        return 0 if "--optional" in arguments else 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
