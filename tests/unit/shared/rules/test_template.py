"""What annotations say."""

import pytest

from shared.rules.template import filled

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
