"""What tells alerts apart: labels that lose nothing, ids that differ, and the fingerprint of Alertmanager."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.alerts.domain.identity import alert_id, fingerprint, labels_with, placement
from services.alerts.evaluation.domain.alert import Alert, SeriesRef
from tests.support.alerting import rule

LABELS = st.dictionaries(
    st.sampled_from(["a", "exported_a", "exported_exported_a", "b"]), st.sampled_from("xy")
)


def labels_of(series: SeriesRef) -> dict[str, str]:
    """The labels of an alert of this series."""
    return Alert(rule(), series, "firing", 0, 0, 0, 0, 1.0).labels


def test_series_with_equal_labels_have_alerts_of_their_own() -> None:
    """Twins by spelling, kind or unit, which a rule reads alike, are told apart by receivers too."""
    twins = [
        SeriesRef(number, 7, {"endpoint": "/a"}, metric, kind, unit)
        for number, (metric, kind, unit) in enumerate(
            [("api.seconds", "gauge", "s"), ("api_seconds", "gauge", "s"), ("api.seconds", "delta", "s"),
             ("api.seconds", "gauge", "ms"), ("api.seconds", "gauge", "")]
        )
    ]  # fmt: skip
    labels = [labels_of(twin) for twin in twins]

    assert 5 == len({alert_id(7, "g/Slow", each) for each in labels})
    assert {
        "endpoint": "/a", "metric": "api.seconds", "kind": "gauge", "severity": "critical", "alertname": "Slow",
        "tenant": "7",
    } == labels[-1]  # fmt: skip


def test_until_no_build_of_version_4_is_left_labels_are_as_it_knows_them() -> None:
    """It may go on with any open episode, and makes its fingerprint of them."""
    labels = labels_of(SeriesRef(1, 7, {"endpoint": "/a", "tenant": "8", "severity": "low"}))

    assert {"endpoint": "/a", "severity": "critical", "alertname": "Slow", "tenant": "7"} == labels
    assert fingerprint(labels) == placement(labels)


def test_a_label_whose_name_is_taken_goes_on_under_another() -> None:
    """What a sender called `tenant`, `kind` or as a label of the rule is not lost, and does not pass for ours."""
    series = SeriesRef(
        1, 7, {"tenant": "8", "kind": "car", "severity": "low", "exported_kind": "x"}, "m", "gauge"
    )

    assert {
        "exported_tenant": "8", "tenant": "7", "exported_kind": "car", "exported_exported_kind": "x", "kind": "gauge",
        "metric": "m", "exported_severity": "low", "severity": "critical", "alertname": "Slow",
    } == labels_of(series)  # fmt: skip


@given(LABELS, LABELS, LABELS)
def test_no_two_series_are_told_alike(
    one: dict[str, str], other: dict[str, str], given_labels: dict[str, str]
) -> None:
    """Whatever a rule gives to its alerts, labels that differ differ after it."""
    assert (one == other) == (labels_with(one, given_labels) == labels_with(other, given_labels))


@pytest.mark.parametrize(
    "other",
    [
        pytest.param((8, "g/A", {"a": "b"}), id="tenant"),
        pytest.param((7, "g/B", {"a": "b"}), id="rule"),
        pytest.param((7, "g/A", {"a": "c"}), id="value"),
        pytest.param((7, "g/A", {"ab": ""}), id="where a name ends"),
        pytest.param((7, "g/A", {"a": "b", "c": ""}), id="one more"),
        pytest.param((7, "g/Aa", {"b": ""}), id="where the rule ends"),
    ],
)
def test_an_id_is_that_of_one_alert(other: tuple[int, str, dict[str, str]]) -> None:
    """Tenant, rule and labels make it, in whatever order the labels come."""
    assert alert_id(7, "g/A", {"a": "b"}) != alert_id(*other)
    assert alert_id(7, "g/A", {"x": "1", "y": "2"}) == alert_id(7, "g/A", {"y": "2", "x": "1"})


@pytest.mark.parametrize(
    ("labels", "before"),
    [
        pytest.param({"endpoint": "/a"}, {"endpoint": "/a"}, id="as usual"),
        pytest.param({"kind": "car", "unit": "7"}, {"kind": "car", "unit": "7"}, id="names of ours"),
        pytest.param({"tenant": "8", "alertname": "x"}, {}, id="names that were replaced"),
        pytest.param(
            {"instance": "a", "exported_instance": "b"},
            {"instance": "a", "exported_instance": "b"},
            id="scraped",
        ),
    ],
)
def test_an_alert_stays_in_its_partition_at_the_upgrade(
    labels: dict[str, str], before: dict[str, str]
) -> None:
    """Its transitions are in order for readers of the topic, whichever build tells of them."""
    told_before = {**before, "severity": "critical", "alertname": "Slow", "tenant": "7"}
    now = labels_of(SeriesRef(1, 7, labels, "m", "gauge", "s"))

    assert fingerprint(told_before) == placement(now) == placement(told_before)
    assert fingerprint(now) != placement(now)
