"""A folder of migrations is a sequence without gaps, or it is refused before anything is applied."""

from pathlib import Path

import pytest

from deploy.postgres.migrate import FOLDER, read
from shared.errors import Misconfigured


@pytest.mark.parametrize(
    ("names", "problem"),
    [
        pytest.param(["0001_pre_a.sql", "0003_pre_b.sql"], "number 0002 is expected", id="gap"),
        pytest.param(["0001_pre_a.sql", "0001_pre_b.sql"], "used twice", id="twice"),
        pytest.param(["0001_a.sql"], "is not named", id="neither pre nor post"),
        pytest.param([], "no migrations", id="empty"),
    ],
)
def test_a_broken_sequence_is_refused(tmp_path: Path, names: list[str], problem: str) -> None:
    """The message names the file and what is wrong with it."""
    for name in names:
        (tmp_path / name).write_text("SELECT 1;")

    with pytest.raises(Misconfigured, match=problem):
        read(tmp_path)


def test_the_projects_own_sequence_is_whole() -> None:
    """The shipped files are numbered from one."""
    assert [int(migration.name[:4]) for migration in read(FOLDER)] == list(range(1, len(read(FOLDER)) + 1))
