"""Every comparison that a rule may hold is read as it is written, whatever its name and number look like."""

from hypothesis import given, settings
from hypothesis import strategies as st

from shared.alerts.rules.errors import ExpressionError
from shared.alerts.rules.expression import parse
from shared.alerts.rules.plan import COMPARISONS, OPERATIONS, Comparison

levels = st.from_regex(r"[A-Za-z][A-Za-z0-9]{0,8}", fullmatch=True) | st.sampled_from(
    ["sum", "by", "and", "nan"]
)
metrics = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,12}", fullmatch=True) | st.sampled_from(
    ["bool", "offset", "inf"]
)
operations = st.sampled_from((*OPERATIONS, "p5", "p95", "p99.9"))
blanks = st.sampled_from(["", " ", "\n", " \t\r\n"])
TOKENS = r"""m up 5 0.5 010 5m -5 > < >= == != + - * / % ^ ( ) [ ] { } , [10s] [5m] [1m:10s] and or unless bool offset
    rate( avg_over_time( quantile_over_time( sum by absent( topk( {a="b"} {a=~"c.*"} {"a.b"} =~ "x" a: @ # ' " ` \\
    api:x:p99.9_10s api:x:max_10s inf NaN 0x1F 1e999"""
words = st.sampled_from([*TOKENS.split(), "\n", "\u00a0", "\u0665", "\x00", "\ud800"])


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
    leaf = found.leaf
    figure = leaf.operation if leaf.quantile is None else f"p{round(leaf.quantile * 100, 1):g}"

    assert (f"{level}_{metric}", operation, operator, threshold) == (
        leaf.selector.name, figure, found.operator, found.threshold
    )  # fmt: skip
    assert found == parse(found.text)


@given(st.lists(words, max_size=14))
@settings(max_examples=1000)
def test_words_in_any_order_are_read_or_refused_where_they_stand(chosen: list[str]) -> None:
    """Nothing else is raised; what is accepted says the same in its normal form."""
    text = " ".join(chosen)
    found = read(text)

    if isinstance(found, ExpressionError):
        assert 0 <= found.column <= len(text)
        assert found.message
    else:
        assert found == parse(found.text)


def read(text: str) -> Comparison | ExpressionError:
    """What a text says, or why it says nothing."""
    try:
        return parse(text)
    except ExpressionError as refused:
        return refused
