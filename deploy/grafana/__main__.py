"""Writes the files of all dashboards: `python -m deploy.grafana`."""

import json
from collections.abc import Iterator
from pathlib import Path

from deploy.grafana import to_grafana, to_perses
from deploy.grafana.pages import DASHBOARDS

ROOT = Path(__file__).parents[1]


def files() -> Iterator[tuple[Path, str]]:
    """Each file and what is in it."""
    for made in DASHBOARDS:
        for path, content in (
            (ROOT / "grafana/dashboards" / f"{made.name}.json", to_grafana.dashboard(made)),
            (ROOT / "perses/resources" / f"{made.name}.json", to_perses.dashboard(made)),
        ):
            yield path, json.dumps(content, indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    for path, text in files():
        path.write_text(text)
