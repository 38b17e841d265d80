"""A folder of migrations is a sequence without gaps, or it is refused before anything is applied."""

from pathlib import Path

import pytest

from deploy.postgres import sums
from deploy.postgres.files import FOLDER, read
from shared.errors import Misconfigured
from shared.postgres import schema

LAST_WITHOUT_HEADER = 14
"""The files of schema version 1 were released before files had a header."""

INDEX = (
    "-- migration: schema=1, transaction=none\nCREATE INDEX CONCURRENTLY IF NOT EXISTS tide_at ON tide (at);"
)


@pytest.mark.parametrize(
    ("names", "problem"),
    [
        pytest.param(["0001_pre_a.sql", "0003_pre_b.sql"], "number 0002 is expected", id="gap"),
        pytest.param(["0001_pre_a.sql", "0001_pre_b.sql"], "used twice", id="twice"),
        pytest.param(["0001_a.sql"], "is not named", id="neither pre nor post"),
        pytest.param([], "no migrations", id="empty"),
        pytest.param(
            ["0001_pre_a.sql", "0002_post_b.sql", "0003_pre_c.sql"], "version 2", id="pre after post"
        ),
    ],
)
def test_a_broken_sequence_is_refused(tmp_path: Path, names: list[str], problem: str) -> None:
    """The message names the file and what is wrong with it."""
    for name in names:
        (tmp_path / name).write_text("SELECT 1;")

    with pytest.raises(Misconfigured, match=problem):
        read(tmp_path)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        pytest.param(
            "-- migration: schema=3\nSELECT 1;", "never fall and rise by one", id="a version left out"
        ),
        pytest.param("-- migration: schema=two\nSELECT 1;", "the first line must be", id="no number"),
        pytest.param(INDEX.replace("none", "off"), "the first line must be", id="misspelt"),
        pytest.param(INDEX.replace("IF NOT EXISTS ", ""), "safe to repeat", id="fails the second time"),
        pytest.param(INDEX + "\nSELECT 1;", "holds one statement", id="two statements"),
        pytest.param(
            "-- migration: schema=1, transaction=none\nVACUUM tide;", "CREATE INDEX", id="another command"
        ),
    ],
)
def test_a_wrong_header_is_refused(tmp_path: Path, text: str, problem: str) -> None:
    """What a file says of itself is checked before anything is applied."""
    (tmp_path / "0001_pre_a.sql").write_text(text)

    with pytest.raises(Misconfigured, match=rf"0001_pre_a\.sql.*{problem}"):
        read(tmp_path)


def test_a_header_says_the_schema_version_and_the_transaction(tmp_path: Path) -> None:
    """A file without a header has schema version 1 and is one transaction."""
    (tmp_path / "0001_pre_a.sql").write_text("SELECT 1;")
    (tmp_path / "0002_pre_b.sql").write_text("-- migration: schema=2\nSELECT 2;")
    (tmp_path / "0003_pre_c.sql").write_text(INDEX.replace("=1", "=2"))

    assert [(1, None), (2, None), (2, "tide_at")] == [
        (file.migration.schema_version, file.concurrent_index) for file in read(tmp_path)
    ]


def test_the_projects_own_sequence_is_whole() -> None:
    """The shipped files are numbered from one."""
    assert [int(file.name[:4]) for file in read(FOLDER)] == list(range(1, len(read(FOLDER)) + 1))


def test_each_new_file_says_its_schema_version() -> None:
    """Schema version 1 is released: a file that is added belongs to a later one."""
    assert [
        file.name for file in read(FOLDER)[LAST_WITHOUT_HEADER:] if file.migration.schema_version == 1
    ] == []


def test_services_know_the_migrations_of_their_build() -> None:
    """`python -m deploy.postgres.sums` writes the list again after a file was added."""
    assert schema.SUMS.read_text() == sums.render()
    assert schema.of_this_build() == [file.migration for file in read(FOLDER)]
