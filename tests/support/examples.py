"""The examples of all protocols: bodies as they come, each with its path and when it was received."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from services.gateway.intake.columns.contract import Request
from services.gateway.intake.protocols import registry

PROTOCOLS = Path(registry.__file__).parent

TENANT_ID = 1


class Example(NamedTuple):
    """A request that a protocol shows."""

    name: str
    request: Request


def examples() -> Iterator[Example]:
    """All of them, in order."""
    for file in sorted(PROTOCOLS.glob("*/examples/*.request")):
        said = json.loads(file.with_suffix(".expected.json").read_text())
        headers = [(name.encode(), value.encode()) for name, value in said.get("headers", {}).items()]
        query, media = said.get("query", "").encode(), said.get("media", "").encode()
        yield Example(
            f"{file.parents[1].name}-{file.stem}",
            Request(
                file.read_bytes(), headers, query, TENANT_ID, said["received_at_ms"], said["path"], media
            ),
        )
