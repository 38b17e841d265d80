"""What is answered of PromQL, and how the rest is refused."""

import pytest

from services.gateway.query.prometheus.errors import QueryError
from services.gateway.query.prometheus.language import plan
from services.gateway.query.prometheus.language.compile import Compiler
from services.gateway.query.prometheus.language.names import Metric, Names
from services.gateway.query.prometheus.language.reading import parsed, text_of
from services.gateway.query.questions.selection import Matcher, Selection
from shared.promql.words import MAX_BYTES, MAX_NESTING

NAMES = Names([
    Metric("api.response_seconds", "delta", "s"),
    Metric("cpu.load", "gauge", "1"),
    Metric("http_requests_total", "cumulative", ""),
    Metric("sizes", "histogram", "By"),
    Metric("a.b", "gauge", ""),
    Metric("a-b", "delta", ""),
    Metric("x_y", "gauge", ""),
    Metric("x.y", "gauge", ""),
    Metric("events", "delta", ""),
    Metric("events.count", "delta", ""),
    Metric("two", "delta", "s"),
    Metric("two", "gauge", "s"),
])  # fmt: skip


def compiled(query: str) -> plan.Node:
    """The plan of a query."""
    text = text_of(query)
    return Compiler(text, 1, NAMES).node(parsed(text.parsable))


def refusal(query: str) -> tuple[str, str]:
    """Kind and message of what a query is refused with."""
    with pytest.raises(QueryError) as found:
        compiled(query)
    return found.value.error_type, found.value.message


def selection(
    metric: str, kind: str, unit: str = "", where: tuple[Matcher, ...] = (), by: tuple[str, ...] | None = None
) -> Selection:
    """A selection of tenant 1."""
    return Selection(1, metric, kind, unit, where, by)


@pytest.mark.parametrize(
    ("query", "leaf"),
    [
        pytest.param(
            "cpu_load", plan.Leaf(selection("cpu.load", "gauge", "1"), "last", 300_000, name="cpu_load"), id="gauge"
        ),
        pytest.param(
            '{"cpu.load"}',
            plan.Leaf(selection("cpu.load", "gauge", "1"), "last", 300_000, name="cpu.load"),
            id="its own name",
        ),
        pytest.param(
            "cpu_load offset -30s",
            plan.Leaf(selection("cpu.load", "gauge", "1"), "last", 300_000, -30_000, "cpu_load"),
            id="offset",
        ),
        pytest.param(
            "http_requests_total",
            plan.Leaf(selection("http_requests_total", "cumulative"), "sum", 0, name="http_requests_total"),
            id="running total, since midnight",
        ),
        pytest.param(
            'api_response_seconds_count{method!="GET"}',
            plan.Leaf(
                selection("api.response_seconds", "delta", "s", (Matcher("method", "=", ("GET",), negated=True),)),
                "count", 0, name="api_response_seconds_count",
            ),
            id="count",
        ),
        pytest.param(
            '{"api.response_seconds_max"}',
            plan.Leaf(
                selection("api.response_seconds", "delta", "s"), "max", 300_000, name="api.response_seconds_max"
            ),
            id="largest, of the look-back",
        ),
        pytest.param(
            "rate(api_response_seconds_sum[1m])",
            plan.Leaf(selection("api.response_seconds", "delta", "s"), "sum", 60_000, per="second"),
            id="rate",
        ),
        pytest.param(
            "sum by (endpoint) (increase(api_response_seconds_count[1m]))",
            plan.Leaf(
                selection("api.response_seconds", "delta", "s", by=("endpoint",)), "count", 60_000, per="range"
            ),
            id="a sum is read as groups",
        ),
        pytest.param(
            "max(max_over_time(cpu_load[1m]))",
            plan.Leaf(selection("cpu.load", "gauge", "1", by=()), "max", 60_000),
            id="so is the largest of the largest",
        ),
        pytest.param(
            'histogram_quantile(0.9, sum by (le, method) (rate(sizes_bucket{a=~"b|c"}[5m])))',
            plan.Leaf(
                selection("sizes", "histogram", "By", (Matcher("a", "=~", ("b|c",)),), by=("method",)),
                "quantile", 300_000, quantile=plan.Number(0.9),
            ),
            id="quantile of sketches",
        ),
        pytest.param(
            'two{__kind__="gauge"}', plan.Leaf(selection("two", "gauge", "s"), "last", 300_000, name="two"), id="kind"
        ),
        pytest.param(
            '{"x_y"}', plan.Leaf(selection("x_y", "gauge"), "last", 300_000, name="x_y"), id="quoted: itself"
        ),
        pytest.param(
            '{"events.count"}',
            plan.Leaf(selection("events.count", "delta"), "sum", 0, name="events.count"),
            id="quoted: not a count",
        ),
        pytest.param(
            '{"events_count"}',
            plan.Leaf(selection("events", "delta"), "count", 0, name="events_count"),
            id="quoted: a count",
        ),
    ],
)  # fmt: skip
def test_a_selector_reads_what_its_name_says(query: str, leaf: plan.Leaf) -> None:
    """By the kind of the metric, its figure and the function around it."""
    assert leaf == compiled(query)


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ('label_replace(cpu_load, "a", "b", "c", "d")', "1:1: label_replace() is beyond"),
        ("1 + stddev(cpu_load)", "1:5: stddev() is beyond"),
        ("sum(abs(cpu_load)\n + group(cpu_load))", "2:4: group() is beyond"),
        ("cpu_load * on(a) group_left(b) cpu_load", "1:18: group_left is beyond"),
        ("cpu_load @ 5", "1:10: @ is beyond"),
        ("rate(cpu_load_count[5m] @ end())", "1:25: @ is beyond"),
        ("max_over_time(cpu_load[5m:1m])", "1:23: a subquery is beyond"),
        ("cpu_load atan2 cpu_load", "1:10: atan2 is beyond"),
        ('cpu_load{a="1" or b="2"}', "1:16: or between matchers is beyond"),
        ("cpu_load + fill(0) cpu_load", "1:12: fill is beyond"),
        ("cpu_load + cpu_load[5m]", ""),
        ("cpu_load[5m]", "1:1: a range is answered inside a function alone"),
        ("rate(cpu_load[5m])", "1:1: cpu_load is a gauge, and rate is of running totals"),
        ("rate(cpu_load_max[5m])", "1:1: cpu_load_max is no running total"),
        ("rate(sizes[5m])", "1:1: sizes is a histogram"),
        ("1 - sizes", "1:5: sizes is a histogram"),
        ("last_over_time(sizes[5m])", "1:1: sizes is a histogram, which has no last point"),
        ("avg_over_time(http_requests_total[5m])", "1:1: http_requests_total is a running total"),
        ("avg_over_time(cpu_load_sum[5m])", "1:1: cpu_load_sum is a figure of its windows"),
        ("rate(cpu_load_sum[9s])", "1:1: the range is shorter than 10 s"),
        ("rate(cpu_load_sum[3000000y])", "1:1: longer than 400 days"),
        ("cpu_load offset 500d", "1:1: longer than 400 days"),
        ("1 + a_b", '1:5: a_b may mean several metrics: write {"a-b"} or {"a.b"}'),
        ("x_y", '1:1: x_y may mean several metrics: write {"x.y"} or {"x_y"}'),
        ("events_count", '1:1: events_count may mean several metrics: write {"events_count"} or {"events.count"}'),
        ("two", '1:1: two has series of several kinds or units: add one of {__kind__="delta",__unit__="s"} and '),
        ('{__name__=~".+"}', "1:1: the selector matches 59 metrics, more than 20"),
        ("histogram_quantile(0.5, sum(rate(sizes_bucket[5m])))", "1:1: histogram_quantile() needs le"),
        ("histogram_quantile(0.5, sizes_bucket * 2)", "1:1: histogram_quantile() takes rate(x_bucket[d])"),
        ('histogram_quantile(0.5, sizes_bucket{le="1"})', "1:1: histogram_quantile() takes all buckets"),
        ("-" * (MAX_NESTING + 1) + "cpu_load", f"1:{MAX_NESTING + 1}: more than {MAX_NESTING} operators"),
        ("(" * (MAX_NESTING + 1) + "a" + ")" * (MAX_NESTING + 1), f"1:{MAX_NESTING + 1}: more than {MAX_NESTING}"),
        ("cpu_load{" + ",".join(f'a=~"{n}"' for n in range(21)) + "}", "more than 20 regular expressions"),
    ],
)  # fmt: skip
def test_what_is_not_answered_is_named_with_its_place(query: str, message: str) -> None:
    """Line and column count from 1."""
    kind, said = refusal(query)

    assert ("execution" if message else "bad_data", True) == (kind, said.startswith(message)), said


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("", "parse error: no expression found in input"),
        ("sum(cpu_load", "parse error: unclosed left parenthesis"),
        ('cpu_load{a=~"("}', "1:1: parse error: a: not a regular expression: missing ): ("),
        ('1 + {a=~".*"}', "1:5: parse error: vector selector must contain at least one non-empty matcher"),
        (
            'cpu_load{a=~"(a{1000}){1000}"}',
            "1:1: parse error: a: not a regular expression: invalid repetition size: {1000}",
        ),
        ('cpu_load{a=~"' + "(x+x+)+" * 200 + '"}', "1:1: parse error: a: a pattern has at most 1000 bytes"),
        ("foo(cpu_load)", "parse error: unknown function with name 'foo'"),
        ("rate(cpu_load)", "parse error: expected type matrix in call to function 'rate', got vector"),
        ('"\\z"', "parse error: "),
        ("1 > 2", "parse error: comparisons between scalars must use BOOL modifier"),
        ("rate(cpu_load[1e2])", "1:15: parse error: not a valid duration string: 1e2"),
        ("1 + cpu_load offset 1e2", "1:21: parse error: not a valid duration string: 1e2"),
        ("cpu_load offset - 1e2", "1:19: parse error: not a valid duration string: 1e2"),
        ("rate(cpu_load[5m:1e2])", "1:17: parse error: not a valid duration string: 1e2"),
        ("x" * (MAX_BYTES + 1), f"longer than {MAX_BYTES} bytes"),
    ],
)
def test_what_is_no_promql_is_bad_data(query: str, message: str) -> None:
    """As Prometheus calls it."""
    kind, said = refusal(query)

    assert "bad_data" == kind
    assert said.startswith(f'invalid parameter "query": {message}'), said


def test_an_unknown_name_has_no_series_and_is_remembered() -> None:
    """A dashboard is older than its first point."""
    text = text_of('absent(nobody{a="b",c=~"d",e=""})')
    compiler = Compiler(text, 1, NAMES)

    assert plan.Absent(plan.Figures(()), (("a", "b"),)) == compiler.node(parsed(text.parsable))
    assert ["nobody"] == compiler.unknown


def test_a_regular_expression_of_names_reads_all_figures_that_match() -> None:
    """Their names are those that are listed."""
    found = compiled('{__name__=~"cpu_load(_sum)?"}')

    assert ["cpu_load", "cpu_load_sum"] == [leaf.name for leaf in plan.leaves(found)]
