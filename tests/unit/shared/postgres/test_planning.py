"""Settings of the planner."""

from shared.postgres import planning


def test_settings_of_a_transaction_are_one_statement_each() -> None:
    """`SET LOCAL` ends with the transaction, so the connection goes back to its pool unchanged."""
    assert (
        planning.local(planning.EACH_TIME)
        == "SET LOCAL jit = 'off'; SET LOCAL plan_cache_mode = 'force_custom_plan'"
    )
