"""Expressions: what PromQL has and rules do not is refused at its place; what is accepted means what PromQL says."""

import pytest

from shared.rules.expression import ExpressionError, parse

NAME = "api:response_seconds:max_10s"


@pytest.mark.parametrize(
    ("rest", "column", "says"),
    [
        pytest.param(" > 0x10", 32, "the end", id="hexadecimal"),
        pytest.param(" > 5m", 32, "the end", id="a duration"),
        pytest.param(" > (5)", 31, "a number", id="parentheses"),
        pytest.param(" > - 5", 31, "a number", id="a sign of its own"),
        pytest.param(" > bool 5", 31, "a number", id="bool"),
        pytest.param(" > 5 # page", 33, "the end", id="a comment"),
        pytest.param(" offset 5m > 5", 29, "one of", id="an offset"),
        pytest.param("[5m] > 5", 28, "one of", id="a range"),
        pytest.param(" > Inf", 31, "a number", id="infinity"),
        pytest.param(" > 1_000", 32, "the end", id="grouped digits"),
    ],
)
def test_promql_beyond_one_comparison_is_refused_at_its_place(rest: str, column: int, says: str) -> None:
    """The parser takes all of this; rules do not."""
    with pytest.raises(ExpressionError) as refused:
        parse(NAME + rest)

    assert column == refused.value.column
    assert says in refused.value.message


@pytest.mark.parametrize(
    ("number", "threshold"),
    [
        pytest.param("010", 10.0, id="a leading zero is no octal"),
        pytest.param("+.5", 0.5, id="no digit before the point"),
        pytest.param("5.", 5.0, id="no digit behind the point"),
        pytest.param("-1E-3", -0.001, id="an exponent"),
    ],
)
def test_a_number_is_decimal(number: str, threshold: float) -> None:
    """However it is written, it means what it meant before PromQL was read by a library."""
    found = parse(f"{NAME} > {number}")

    assert (f"{NAME} > {number}", threshold) == (found.text, found.threshold)
