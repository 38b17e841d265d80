"""The client psql is found where it is, and what is to be done is said where it is not."""

from pathlib import Path

import pytest

from deploy.postgres import psql
from shared.errors import Misconfigured


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a psql."""
    (tmp_path / "psql").touch(mode=0o755)
    return tmp_path


def test_the_one_on_the_path_comes_first(folder: Path, tmp_path: Path) -> None:
    """Whatever lies beside the Postgres of a local system."""
    assert folder / "psql" == psql.path(str(folder), lambda: tmp_path / "local")


def test_the_one_beside_the_local_postgres_comes_next(folder: Path) -> None:
    """A newcomer need install none."""
    assert folder / "psql" == psql.path("/nowhere", lambda: folder)


def test_without_one_it_says_what_to_install(tmp_path: Path) -> None:
    """Before a login is made."""
    with pytest.raises(Misconfigured, match="psql is not on the path: install the client of Postgres"):
        psql.path("/nowhere", lambda: tmp_path)
