"""Every comparison that a rule may hold is read as it is written, whatever its name and number look like."""

from hypothesis import given
from hypothesis import strategies as st

from shared.rules.expression import COMPARISONS, OPERATIONS, parse

levels = st.from_regex(r"[A-Za-z][A-Za-z0-9]{0,8}", fullmatch=True) | st.sampled_from(
    ["sum", "by", "and", "nan"]
)
metrics = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,12}", fullmatch=True) | st.sampled_from(
    ["bool", "offset", "inf"]
)
operations = st.sampled_from((*OPERATIONS, "p5", "p95", "p99.9"))
blanks = st.sampled_from(["", " ", "\n", " \t\r\n"])


@given(
    levels,
    metrics,
    operations,
    st.sampled_from(COMPARISONS),
    st.floats(allow_nan=False, allow_infinity=False),
    blanks,
)
def test_a_comparison_is_read_as_it_is_written(
    level: str, metric: str, operation: str, operator: str, threshold: float, blank: str
) -> None:
    """Words of PromQL are names here, a quantile may have a point, and no number loses a digit."""
    found = parse(f"{blank}{level}:{metric}:{operation}_10s{blank}{operator}{blank}{threshold!r}{blank}")

    assert (f"{level}_{metric}", operation, operator, threshold) == (
        found.metric, found.operation, found.operator, found.threshold
    )  # fmt: skip
