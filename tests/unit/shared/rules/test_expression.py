"""Expressions: what is accepted means what PromQL says, what is not carried out is refused at its place."""

import pytest

from shared.alerts.rules.errors import ExpressionError
from shared.alerts.rules.expression import parse
from shared.alerts.rules.plan import ANY, GROWTH, POINTS, Arithmetic, Leaf, Matcher, Selector, candidate
from shared.model.window import BASE_MS

NAME = "api:response_seconds:max_10s"
BARE = Selector("m", "bare")
ALIAS = Selector("api_response_seconds", "alias")


@pytest.mark.parametrize(
    ("text", "leaf"),
    [
        pytest.param(f"{NAME} > 5", Leaf(ALIAS, "max"), id="an alias"),
        pytest.param("api:response_seconds:p95_10s > 5", Leaf(ALIAS, "quantile", 0.95), id="of a quantile"),
        pytest.param("api:response_seconds:p99.9_10s > 5", Leaf(ALIAS, "quantile", 99.9 / 100), id="with a dot"),
        pytest.param("m > 5", Leaf(BARE, "last", kinds=POINTS), id="a metric"),
        pytest.param("5 < m", Leaf(BARE, "last", kinds=POINTS), id="on the right"),
        pytest.param("(m) > (5)", Leaf(BARE, "last", kinds=POINTS), id="in brackets"),
        pytest.param("m > 10 / 2", Leaf(BARE, "last", kinds=POINTS), id="a number that is computed"),
        pytest.param("m > - -5", Leaf(BARE, "last", kinds=POINTS), id="two signs"),
        pytest.param("m > 5 # page", Leaf(BARE, "last", kinds=POINTS), id="a comment"),
        pytest.param('{"m"} > 5', Leaf(Selector("m", "quoted"), "last", kinds=POINTS), id="a quoted name"),
        pytest.param('{__name__="m"} > 5', Leaf(Selector("m", "quoted"), "last", kinds=POINTS), id="a named label"),
        pytest.param(
            'm{a="b", c!="d", e=~"f.*", g!~"h"} > 5',
            Leaf(
                Selector(
                    "m", "bare",
                    (
                        Matcher("a", "b"), Matcher("c", "d", negated=True), Matcher("e", "f.*", is_pattern=True),
                        Matcher("g", "h", is_pattern=True, negated=True),
                    ),
                ),
                "last", kinds=POINTS,
            ),
            id="matchers",
        ),
        *(
            pytest.param(f"{name}_over_time(m[10s]) > 5", Leaf(BARE, name, kinds=POINTS), id=name)
            for name in ("avg", "min", "max", "sum", "count", "last")
        ),
        pytest.param(
            "quantile_over_time(0.95, m[10s]) > 5", Leaf(BARE, "quantile", 0.95, kinds=POINTS), id="a quantile"
        ),
        pytest.param(
            "100 * (m - 1) / 2^2 > 5",
            Leaf(
                BARE, "last", kinds=POINTS,
                arithmetic=(Arithmetic("-", 1.0), Arithmetic("*", 100.0, is_left=True), Arithmetic("/", 4.0)),
            ),
            id="arithmetic",
        ),
        pytest.param("-m > 5", Leaf(BARE, "last", kinds=POINTS, arithmetic=(Arithmetic("*", -1.0),)), id="a minus"),
        pytest.param("increase(m[10s]) > 5", Leaf(BARE, "sum", kinds=GROWTH), id="increase"),
        pytest.param("rate(m[10s]) > 5", Leaf(BARE, "sum", per_second=True, kinds=GROWTH), id="rate"),
    ],
)  # fmt: skip
def test_what_a_rule_reads(text: str, leaf: Leaf) -> None:
    """A figure of each series, compared with a number on its right; its text in normal form says the same."""
    found = parse(text)

    assert (leaf, ">", 5.0) == (found.leaf, found.operator, found.threshold)
    assert found == parse(found.text)


@pytest.mark.parametrize(
    ("rest", "column", "says"),
    [
        pytest.param(" > 5m", 31, "5m is a duration", id="a duration"),
        pytest.param(" > bool 5", 31, "leave it out", id="bool"),
        pytest.param(" offset 5m > 5", 29, "history that a stream", id="an offset"),
        pytest.param(" @ 5 > 5", 29, "history that a stream", id="an instant"),
        pytest.param(" > Inf", 31, "finite", id="infinity"),
        pytest.param(" > 0/0", 31, "finite", id="no number"),
        pytest.param(" > 1_000", 31, "not PromQL", id="grouped digits"),
        pytest.param(" > 5 and up", 33, "write one comparison", id="and"),
        pytest.param(" > 5 > 3", 33, "one comparison", id="two comparisons"),
        pytest.param(" > up", 31, "expected a number", id="two series"),
        pytest.param(" / up > 5", 31, "several series", id="arithmetic of two series"),
        pytest.param('{a=~"("} > 5', 0, "a: not a regular expression", id="a bad pattern"),
        pytest.param('{a="b" or c="d"} > 5', 35, "write two rules", id="or between matchers"),
        pytest.param(" >", 30, "not PromQL", id="nothing"),
        pytest.param("", 28, "expected one of >=", id="no comparison"),
    ],
)
def test_promql_beyond_one_comparison_is_refused_at_its_place(rest: str, column: int, says: str) -> None:
    """The parser takes most of this; rules do not."""
    with pytest.raises(ExpressionError) as refused:
        parse(NAME + rest)

    assert column == refused.value.column
    assert says in refused.value.message


@pytest.mark.parametrize(
    ("text", "column", "says"),
    [
        pytest.param("sum by (a) (rate(m[10s])) > 5", 0, "rules over several series", id="an aggregation"),
        pytest.param("5 < topk(2, m)", 4, "no breach lasts", id="topk"),
        pytest.param("absent(m) > 0", 0, "absent is not carried out", id="a function"),
        pytest.param("max_over_time(m[1m:10s]) > 5", 15, "history", id="a subquery"),
        pytest.param("rate(m[15s]) > 5", 5, "a multiple of 10s", id="a range off the windows"),
        pytest.param("rate(m) > 5", 4, "not PromQL", id="no range"),
        pytest.param("quantile_over_time(1.5, m[10s]) > 5", 19, "from 0 to 1", id="no quantile"),
        pytest.param('{__name__=~"a.*"} > 5', 0, "name one metric", id="names by pattern"),
        pytest.param("ALERTS > 0", 0, "`clear`", id="ALERTS"),
        pytest.param("m > 1 + n", 8, "several series", id="a metric on either side"),
        pytest.param("x:y:avg_1m > 5", 8, "10s long", id="an alias of another window"),
        pytest.param("x:y:mode_10s > 5", 4, "mode is not one of", id="an alias of no operation"),
        pytest.param("(m > 5", 6, "not PromQL", id="an open bracket"),
        pytest.param("m > 5)", 5, "not PromQL", id="a closed bracket"),
        pytest.param("m > 5 m", 6, "not PromQL", id="two words"),
        pytest.param("m{a=} > 5", 2, "not PromQL", id="no value"),
        pytest.param("sum(m > ) > 5", 8, "not PromQL", id="no operand"),
        pytest.param("m > " + "(" * 200 + "5" + ")" * 200, 153, "operators and brackets", id="too deep"),
        pytest.param("m > 5" + " " * 9000, 0, "longer than", id="too long"),
        pytest.param("m " * 500, 0, "not PromQL", id="too many words to say where"),
        pytest.param(" ", 0, "no expression", id="blank"),
    ],
)
def test_the_rest_of_promql_is_refused_by_what_it_is(text: str, column: int, says: str) -> None:
    """With what to write instead, where there is something."""
    with pytest.raises(ExpressionError) as refused:
        parse(text)

    assert column == refused.value.column
    assert says in refused.value.message


@pytest.mark.parametrize(
    ("number", "threshold", "normal"),
    [
        pytest.param("010", 10.0, "10", id="a leading zero is no octal"),
        pytest.param("000", 0.0, "0", id="nothing but zeros"),
        pytest.param("00.50", 0.5, "0.50", id="zeros around a point"),
        pytest.param("0x10", 16.0, "0x10", id="hexadecimal, as PromQL has it"),
        pytest.param("+.5", 0.5, "+.5", id="no digit before the point"),
        pytest.param("5.", 5.0, "5.", id="no digit behind the point"),
        pytest.param("-1E-3", -0.001, "-1E-3", id="an exponent"),
    ],
)
def test_a_number_is_decimal(number: str, threshold: float, normal: str) -> None:
    """However it is written, it means what it meant before PromQL was read by a library."""
    found = parse(f"{NAME}  >{number}")

    assert (f"{NAME} > {normal}", threshold) == (found.text, found.threshold)


@pytest.mark.parametrize(
    ("text", "metric", "kind", "selected"),
    [
        pytest.param(
            "api_response_seconds > 5", "api.response-seconds", "gauge", True, id="bare, other signs"
        ),
        pytest.param("api_response_seconds > 5", "api.response_second", "gauge", False, id="bare, another"),
        pytest.param('{"api.response"} > 5', "api.response", "delta", True, id="quoted"),
        pytest.param('{"api.response"} > 5', "api_response", "delta", False, id="quoted, other signs"),
        pytest.param(f"{NAME} > 5", "api.response.seconds", "cumulative", True, id="an alias, of any kind"),
        pytest.param("rate(a_b[10s]) > 5", "a.b", "gauge", False, id="a gauge has no rate"),
        pytest.param("rate(a_b[10s]) > 5", "a.b", "cumulative", True, id="a running total has one"),
        pytest.param(
            "max_over_time(a_b[10s]) > 5", "a.b", "histogram", False, id="a histogram has no points"
        ),
        pytest.param('a_b{c="d"} > 5', "a.b", "gauge", True, id="a label"),
        pytest.param('a_b{c=~"d|e", x=""} > 5', "a.b", "gauge", True, id="a pattern, and no label"),
        pytest.param('a_b{c=~"."} > 5', "a.b", "gauge", True, id="a pattern is of the whole value"),
        pytest.param('a_b{c!~"d.*"} > 5', "a.b", "gauge", False, id="not a pattern"),
        pytest.param('a_b{__unit__="s", __kind__="gauge"} > 5', "a.b", "gauge", True, id="unit and kind"),
        pytest.param('a_b{__unit__="By"} > 5', "a.b", "gauge", False, id="another unit"),
    ],
)
def test_which_series_are_selected(text: str, metric: str, kind: str, selected: bool) -> None:
    """By name, kind and labels; an absent label is empty."""
    assert selected == parse(text).leaf.selects(candidate(metric, kind, "s", {"c": "d"}))


def test_which_rules_are_judged_live() -> None:
    """A maximum or a count above a bound cannot be undone by more points."""
    found = {
        text: parse(text).live
        for text in (
            "max_over_time(m[10s]) > 5", "5 <= count_over_time(m[10s])", "max_over_time(m[10s]) < 5", "m > 5",
            "increase(m[10s]) > 5", "-max_over_time(m[10s]) > 5",
        )
    }  # fmt: skip

    assert [True, True, False, False, False, False] == list(found.values())
    assert (ANY, BASE_MS) == (parse(f"{NAME} > 5").leaf.kinds, parse(f"{NAME} > 5").leaf.range_ms)
