"""Cursors: signed, of one tenant and one question, good for an hour."""

import pytest

from services.gateway.http.problems import Problem
from services.gateway.query.resources.cursors import LIFE_MS, Cursors

SECRET = bytes(range(32))


def refusal(cursors: Cursors, cursor: str, filters: tuple[object, ...], now_ms: int) -> tuple[int, str]:
    """How a cursor is refused."""
    with pytest.raises(Problem) as refused:
        cursors.position(cursor, filters, now_ms)
    return refused.value.status, refused.value.code


def test_a_cursor_leads_back_to_its_place() -> None:
    """For an hour."""
    cursors = Cursors(SECRET, "events")

    cursor = cursors.after((1, "error"), (1234, "id"), 0)

    assert [1234, "id"] == cursors.position(cursor, (1, "error"), LIFE_MS)


def test_a_cursor_of_others_is_refused() -> None:
    """Of another tenant, another filter, other rows, another secret; one that was changed, cut or made up."""
    cursors = Cursors(SECRET, "events")
    cursor = cursors.after((1, "error"), (1234, "id"), 0)

    tried = [
        refusal(cursors, cursor, (2, "error"), 0),
        refusal(cursors, cursor, (1, "click"), 0),
        refusal(Cursors(SECRET, "windows"), cursor, (1, "error"), 0),
        refusal(Cursors(SECRET[::-1], "events"), cursor, (1, "error"), 0),
        *(refusal(cursors, cursor[:end], (1, "error"), 0) for end in range(0, len(cursor), 5)),
        *(
            refusal(
                cursors, cursor[:at] + ("A" if cursor[at] != "A" else "B") + cursor[at + 1 :], (1, "error"), 0
            )
            for at in range(0, len(cursor) - 1, 5)
        ),
        refusal(cursors, "é" * 10, (1, "error"), 0),
        refusal(cursors, "A" * 3000, (1, "error"), 0),
    ]

    assert {(400, "cursor_mismatch")} == set(tried)


def test_an_old_cursor_is_gone() -> None:
    """What it goes on from may be gone as well."""
    cursors = Cursors(SECRET, "events")

    assert (410, "cursor_expired") == refusal(cursors, cursors.after((), (1,), 0), (), LIFE_MS + 1)
