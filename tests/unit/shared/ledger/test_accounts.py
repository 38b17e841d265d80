"""Accounts: whether what came in equals what became of it."""

from shared.ledger.accounts import Account, shown, total


def test_an_account_closes_when_all_that_came_in_has_an_outcome() -> None:
    """Whatever the outcomes are called, coded or not."""
    account = Account(
        {"received": 10, "derived": 5, "counted": 9, "duplicate": 1, "rejected:a": 2, "rejected:b": 3}
    )

    assert 0 == account.difference
    assert -1 == total([account, Account({"rejected:b": 1})]).difference
    assert {"a": 2, "b": 3} == account.by_code("rejected")
    assert {} == account.by_code("dead_lettered")
    assert (10, 0) == (account.of("received"), account.of("conflict"))


def test_an_account_is_shown_with_every_outcome() -> None:
    """Those that did not occur are 0, and those with codes are listed by code."""
    account = Account({"received": 3, "counted": 1, "rejected:a": 2})

    assert shown(account) == {
        "received": 3, "derived": 0, "counted": 1, "duplicate": 0, "conflict": 0, "stale_total": 0,
        "contested_total": 0, "lost": 0, "rejected": {"a": 2}, "dead_lettered": {}, "difference": 0,
    }  # fmt: skip
