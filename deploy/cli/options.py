"""What several commands share: the option `--folder`, and the addresses of the servers that they ask.

An address comes from the environment, else from the system that runs in the folder.
"""

import os
from pathlib import Path
from typing import Annotated

import typer

from deploy.local import running

Folder = Annotated[
    Path, typer.Option("--folder", "-C", help="Folder of the system; its data lie in `.tidegauge/` there.")
]
HERE = Path()


def postgres_of(folder: Path) -> str:
    """The address of Postgres. Raises `Misconfigured` when neither names one."""
    return running.address("TIDEGAUGE_POSTGRES", folder, os.environ)


def kafka_of(folder: Path) -> str:
    """The address of Kafka. Raises `Misconfigured` when neither names one."""
    return running.address("TIDEGAUGE_KAFKA", folder, os.environ)
