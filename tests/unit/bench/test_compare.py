"""The comparison of two builds: what decides whether a figure became slower."""

import pytest

from bench import compare


def test_the_median_of_the_pairs_decides() -> None:
    """One round that the machine disturbed does not; rates are held against their neighbours."""
    found = compare.judged(before=[100.0, 100.0, 50.0], now=[99.0, 60.0, 50.0], least_ratio=0.97)

    assert found == {
        "value": 60, "base": 100, "ratio": 0.99, "goal": "ratio >= 0.97", "reached": True,
        "rates": [99, 60, 50], "base_rates": [100, 100, 50], "ratios": [0.99, 0.6, 1.0],
    }  # fmt: skip


def test_a_build_that_is_slower_does_not_reach_the_goal() -> None:
    """Below the least ratio."""
    assert not compare.judged([100.0, 100.0], [96.0, 96.0], least_ratio=0.97)["reached"]


def test_a_commit_that_is_not_there_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    """Before any server is started."""
    assert compare.main(["0123456789abcdef", "gateway_100"]) == 2
    assert "0123456789abcdef is not in" in capsys.readouterr().err
