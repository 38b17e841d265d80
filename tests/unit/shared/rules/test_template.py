"""What annotations say."""

import pytest

from shared.alerts.rules.errors import ExpressionError
from shared.alerts.rules.template import check, filled

PRINTED = {
    1234567.0: "1.234567e+06", 99.99999: "99.99999", 5000000.4: "5.0000004e+06", 1e-05: "1e-05", 0.0001: "0.0001",
    0.00012345: "0.00012345", 999999.5: "999999.5", 1e6: "1e+06", 100000.25: "100000.25", 0.1: "0.1", 250.0: "250",
    -12.5: "-12.5", 3.004: "3.004", 0.0: "0", 1e21: "1e+21", 5e-324: "5e-324",
    1.7976931348623157e308: "1.7976931348623157e+308", 1 / 3: "0.3333333333333333", float("inf"): "+Inf",
    float("-inf"): "-Inf",
}  # fmt: skip
"""Values with what Go prints."""


@pytest.mark.parametrize(("value", "text"), [*PRINTED.items(), (-0.0, "-0"), (float("nan"), "NaN")], ids=repr)
def test_a_value_is_printed_as_prometheus_prints_it(value: float, text: str) -> None:
    """All digits that tell it from its neighbours, exponents as Go has them. Source: prometheus#7426."""
    assert f"v {text}, a" == filled("v {{ $value }}, {{$labels.host}}", value, {"host": "a"})


@pytest.mark.parametrize(
    ("template", "text"),
    [
        pytest.param("{{ $value | humanize }}", "1.235M", id="humanize"),
        pytest.param("{{ humanize1024 $value }}", "1.177Mi", id="humanize1024"),
        pytest.param("{{ $value | humanizePercentage }}", "1.235e+08%", id="humanizePercentage"),
        pytest.param("{{ $value | humanizeDuration }}", "14d 6h 55m 34s", id="humanizeDuration"),
        pytest.param("{{ $value | humanizeTimestamp }}", "1970-01-15 06:55:34.5 +0000 UTC", id="humanizeTimestamp"),
        pytest.param('{{ printf "%.1f of %s" $value $labels.host }}', "1234534.5 of db-1", id="printf"),
        pytest.param('{{ $value | printf "%v %%" }}', "1.2345345e+06 %", id="printf behind a pipe"),
        pytest.param("{{ $labels.host | toUpper }}", "DB-1", id="toUpper"),
        pytest.param("{{ title $labels.host }}", "Db-1", id="title"),
        pytest.param("{{ $labels.host|toUpper|toLower }}", "db-1", id="two pipes"),
        pytest.param('{{ index $labels "a.b" }}{{ index $labels `none` }}', "c", id="a label of other signs"),
        pytest.param("no template } } {", "no template } } {", id="none"),
    ],
)  # fmt: skip
def test_functions_write_as_prometheus_writes(template: str, text: str) -> None:
    """Promtool is asked for many more, where it is."""
    assert text == filled(template, 1234534.5, {"host": "db-1", "a.b": "c"})


@pytest.mark.parametrize(
    "template",
    [
        "{{ }}", "{{ $value", "{{ $labels }}", "{{ .Value }}", "{{ $value $value }}", "{{ $value | }}",
        "{{ | humanize }}",
        "{{ $labels.host | humanize }}", "{{ $value | title }}", "{{ humanize $value $value }}", "{{ nothing $value }}",
        "{{ query `up` }}", "{{ $externalURL }}", "{{ if $value }}a{{ end }}", '{{ index $labels "a" "b" }}',
        '{{ printf "%d" $value }}', '{{ printf "%s" $value }}', '{{ printf "%f" }}', '{{ printf "%f" $labels.host }}',
        '{{ printf "%999f" $value }}', '{{ printf "%" $value }}', "{{ printf $value }}", '{{ "\\x00" }}',
        "{{- $value }}",
        '{{ printf "%.3v" $value }}', "{{ $value | $value }}",
    ],
)  # fmt: skip
def test_what_is_not_known_is_refused_where_it_begins(template: str) -> None:
    """No queries, no control flow, no function of the wrong kind: at load, not when somebody is paged."""
    with pytest.raises(ExpressionError) as refused:
        check(f"at {template}")

    assert 3 == refused.value.column
