"""A build accepts the schema it was made for, and the `pre` migrations of the next version; nothing else."""

import pytest

from shared.postgres.schema import Migration, mismatches, missing

ONE = Migration("0001_pre_tide.sql", "a1", 1)
TWO = Migration("0002_pre_level.sql", "a2", 2)
POST = Migration("0003_post_level.sql", "a3", 2)
AHEAD = Migration("0004_pre_gauge.sql", "a4", 3)
ALSO_AHEAD = Migration("0005_pre_gauge_index.sql", "a5", 3)
THIS_BUILD = [ONE, TWO, POST]


@pytest.mark.parametrize(
    "applied",
    [
        pytest.param([ONE, TWO, POST], id="its own"),
        pytest.param([ONE, TWO], id="its own before post"),
        pytest.param([ONE, TWO, POST, AHEAD], id="one pre ahead"),
        pytest.param([ONE, TWO, POST, AHEAD, ALSO_AHEAD], id="all pre of the next version"),
    ],
)
def test_a_schema_that_fits_is_accepted(applied: list[Migration]) -> None:
    """Processes of two builds work side by side during a rolling upgrade, and after it was taken back."""
    assert [] == mismatches(THIS_BUILD, applied) + missing(THIS_BUILD, applied)


@pytest.mark.parametrize(
    ("applied", "sentences"),
    [
        pytest.param(
            [*THIS_BUILD, AHEAD, Migration("0005_post_gauge.sql", "a5", 3)],
            ["0005_post_gauge.sql (schema version 3) was applied by another build", "upgrade this build"],
            id="unknown post",
        ),
        pytest.param(
            [*THIS_BUILD, AHEAD, Migration("0005_pre_moon.sql", "a5", 4)],
            ["0005_pre_moon.sql (schema version 4) was applied", "this build has schema version 2"],
            id="two ahead",
        ),
        pytest.param(
            [*THIS_BUILD, Migration("0004_pre_other.sql", "a4", 2)],
            ["0004_pre_other.sql (schema version 2) was applied by another build"],
            id="unknown file of its own version",
        ),
        pytest.param(
            [ONE, TWO._replace(sha256="b2"), POST],
            ["0002_pre_level.sql (schema version 2) was changed after it was applied: restore the file"],
            id="changed",
        ),
        pytest.param(
            [ONE],
            ["0002_pre_level.sql (schema version 2) was not applied", "run `tidegauge migrate --pre`"],
            id="behind",
        ),
        pytest.param(
            [],
            ["0001_pre_tide.sql (schema version 1), and 1 after it, was not applied", "`tidegauge migrate`"],
            id="empty",
        ),
    ],
)
def test_a_schema_that_does_not_fit_is_refused(applied: list[Migration], sentences: list[str]) -> None:
    """Each sentence names the file, its version and what helps."""
    (problem,) = mismatches(THIS_BUILD, applied) + missing(THIS_BUILD, applied)

    assert [] == [sentence for sentence in sentences if sentence not in problem]


def test_the_post_migrations_of_earlier_versions_are_needed() -> None:
    """Only those of the build's own version may come after it has started."""
    next_build = [ONE, TWO, POST, AHEAD]

    (problem,) = missing(next_build, [ONE, TWO, AHEAD])
    assert problem.startswith("0003_post_level.sql (schema version 2) was not applied")
    assert "`tidegauge migrate --post`" in problem
