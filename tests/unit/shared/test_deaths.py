"""What the deaths of a partition say of each record: who is suspected, who needs a mark, and who is the culprit."""

import pytest

from shared.stream.containment.deaths import CAREFUL_RECORDS, MAX_DEATHS, SILENT, Death, Suspects

NEXT = 100


def suspects(*deaths: Death, attempts: int = 1) -> Suspects:
    """Those of a partition at offset 100."""
    return Suspects(NEXT, deaths, attempts)


def test_without_deaths_nothing_needs_care() -> None:
    """Neither for the first owner nor for one that follows a commit."""
    none = suspects()

    assert (False, False, 0) == (
        none.need_care(NEXT, NEXT + 9_999),
        none.needs_mark(NEXT),
        none.deaths_at(NEXT),
    )
    assert not none.is_culprit(NEXT)


@pytest.mark.parametrize("deaths", [1, MAX_DEATHS - 1, MAX_DEATHS])
def test_a_record_is_the_culprit_from_the_third_death_on(deaths: int) -> None:
    """Before that it is folded under a mark."""
    found = suspects(Death(105, 106, deaths, "e"))

    assert (deaths >= MAX_DEATHS, True) == (found.is_culprit(105), found.needs_mark(105))
    assert not found.is_culprit(104)
    assert not found.needs_mark(104)


def test_records_of_one_commit_are_suspected_together_and_none_of_them_is_the_culprit() -> None:
    """However often: its records are committed one by one until one is known."""
    found = suspects(Death(100, 110, MAX_DEATHS, "e"))

    assert all(found.need_care(offset, offset) for offset in range(100, 110))
    assert not any(found.is_culprit(offset) or found.needs_mark(offset) for offset in range(100, 110))
    assert not found.need_care(110, 200)


def test_the_death_of_a_record_follows_those_of_the_commit_that_it_was_in() -> None:
    """So three deaths are enough, although the first was at ten records."""
    found = suspects(Death(100, 110, 1, "e"), Death(104, 105, 2, "f"))

    assert Death(104, 105, 3, "g") == found.next_death(104, 105, "g")
    assert Death(107, 108, 2, "g") == found.next_death(107, 108, "g")
    assert "f" == getattr(found.at(104), "error", None)


def test_an_owner_that_ended_without_a_word_has_its_records_marked() -> None:
    """The first thousand, and none when each end is explained by an error."""
    silent = suspects(attempts=2)

    assert silent.needs_mark(NEXT + CAREFUL_RECORDS - 1)
    assert not silent.needs_mark(NEXT + CAREFUL_RECORDS)
    assert not suspects(Death(150, 151, 1, "e"), attempts=2).needs_mark(NEXT)


def test_records_that_were_folded_under_one_mark_are_marked_one_by_one() -> None:
    """After a death without a word, the deaths at one of them follow that of all; after an error no mark is needed."""
    found = suspects(Death(100, 132, 1, SILENT))

    assert all(found.needs_mark(offset) for offset in range(100, 132))
    assert not found.needs_mark(132)
    assert Death(107, 108, 2, SILENT) == found.next_death(107, 108, SILENT)
    assert not suspects(Death(100, 132, 1, "e")).needs_mark(107)


def test_a_restore_is_no_record() -> None:
    """And one at another offset than the checkpoint's is over."""
    death = Death(NEXT, NEXT, MAX_DEATHS, "e")

    assert death == suspects(death).restoring
    assert not suspects(death).is_culprit(NEXT)
    assert suspects(Death(90, 90, MAX_DEATHS, "e")).restoring is None


def test_what_is_committed_is_not_suspected() -> None:
    """A row below the checkpoint means nothing."""
    assert not suspects(Death(99, 100, MAX_DEATHS, "e")).need_care(NEXT, NEXT + 9)
