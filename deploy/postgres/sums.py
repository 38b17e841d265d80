"""Writes the list of migrations that services hold the database against: `python -m deploy.postgres.sums`.

Services may not read `deploy`; so the names, schema versions and checksums of its files are kept in `shared/postgres`.
"""

from pathlib import Path

from deploy.postgres.files import FOLDER, read
from shared.postgres import schema


def render(folder: Path = FOLDER) -> str:
    """One line a migration: checksum, schema version, name."""
    rows = [file.migration for file in read(folder)]
    return "".join(f"{row.sha256} {row.schema_version} {row.name}\n" for row in rows)


if __name__ == "__main__":
    schema.SUMS.write_text(render())
